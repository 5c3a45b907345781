"""Google. Its input counts include the cached part."""

from providers.base import Provider

GOOGLE = Provider("google")
