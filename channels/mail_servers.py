"""Mail servers of well-known providers, so that a URL needs only the account."""

import re
from typing import Literal, NamedTuple

Security = Literal["starttls", "ssl", "insecure"]
PORTS: dict[Security, int] = {"starttls": 587, "ssl": 465, "insecure": 25}


class MailServer(NamedTuple):
    """A provider's server. `login` is the user name there: the e-mail address, or the part before the @."""

    host: str
    security: Security
    login: Literal["address", "name", "either"] = "address"


# The domains of each provider, as a regular expression.
_PROVIDERS = {
    r"gmail\.com": MailServer("smtp.gmail.com", "starttls"),
    r"yandex\.(com|ru|ua|by|kz|uz|tr|fr)": MailServer("smtp.yandex.ru", "ssl", "name"),
    r"(hotmail|live)\.com(\.au)?": MailServer("smtp-mail.outlook.com", "starttls"),
    r"(smtp\.)?outlook\.com(\.au)?": MailServer("smtp.outlook.com", "starttls"),
    r"(smtp\.)?office365\.com": MailServer("smtp.office365.com", "starttls", "either"),
    r"yahoo\.(ca|com)": MailServer("smtp.mail.yahoo.com", "ssl"),
    r"gmx\.(com|net|de|at|ch|fr)": MailServer("mail.gmx.com", "starttls"),
    r"fastmail\.(com|cn|co\.uk|com\.au|de|es|fm|fr|im|in|jp|mx|net|nl|org|se|to|tw|uk|us)": MailServer(
        "smtp.fastmail.com", "ssl"
    ),
    r"zoho(mail)?\.com": MailServer("smtp.zoho.com", "starttls"),
    r"(\.smtp)?sendgrid\.(com|net)": MailServer("smtp.sendgrid.net", "ssl", "name"),
    r"163\.com": MailServer("smtp.163.com", "ssl"),
    r"(foxmail|qq)\.com": MailServer("smtp.qq.com", "starttls"),
    r"comcast\.net": MailServer("smtp.comcast.net", "ssl"),
}
# Other domains of Fastmail's accounts.
_FASTMAIL = """
123mail.org 150mail.com 150ml.com 16mail.com 2-mail.com 4email.net 50mail.com airpost.net allmail.net bestmail.us
cluemail.com elitemail.org emailcorner.net emailengine.net emailengine.org emailgroups.net emailplus.org emailuser.net
eml.cc f-m.fm fast-email.com fast-mail.org fastem.com fastemail.us fastemailer.com fastest.cc fastimap.com
fastmailbox.net fastmessaging.com fea.st fmail.co.uk fmailbox.com fmgirl.com fmguy.com ftml.net h-mail.us hailmail.net
imap-mail.com imap.cc imapmail.org inoutbox.com internet-e-mail.com internet-mail.org internetemails.net
internetmailing.net jetemail.net justemail.net letterboxes.org mail-central.com mail-page.com mailandftp.com mailas.com
mailbolt.com mailc.net mailcan.com mailforce.net mailftp.com mailhaven.com mailingaddress.org mailite.com mailmight.com
mailnew.com mailsent.net mailservice.ms mailup.net mailworks.org ml1.net mm.st myfastmail.com mymacmail.com
nospammail.net ownmail.net petml.com postinbox.com postpro.net proinbox.com promessage.com realemail.net reallyfast.biz
reallyfast.info rushpost.com sent.as sent.at sent.com speedpost.net speedymail.org ssl-mail.com swift-mail.com
the-fastest.net the-quickest.com theinternetemail.com veryfast.biz veryspeedy.net warpmail.net xsmail.com yepmail.net
"""


def server_of(domain: str) -> MailServer | None:
    """The server for the accounts of a domain; None for an unknown domain, whose own server is used."""
    domain = domain.lower()
    if domain in _FASTMAIL.split():
        return MailServer("smtp.fastmail.com", "ssl")
    return next((server for domains, server in _PROVIDERS.items() if re.fullmatch(domains, domain)), None)
