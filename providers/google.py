"""Google. Its input counts include the cached part. Line-up: https://ai.google.dev/gemini-api/docs/models"""

from providers.base import Provider

GOOGLE = Provider(
    "google",
    smaller={
        "gemini-1.5-pro": "gemini-2.5-flash",
        "gemini-2.5-pro": "gemini-2.5-flash",
        "gemini-3.1-pro-preview": "gemini-3-flash-preview",
        "gemini-2.5-flash": "gemini-2.5-flash-lite",
        "gemini-3-flash-preview": "gemini-3.1-flash-lite",
        "gemini-3.5-flash": "gemini-3.5-flash-lite",
    },
)
