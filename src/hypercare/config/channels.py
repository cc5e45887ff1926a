"""``channels`` of hypercare.yml: how answers come back from where notifications go, and where they may go."""

import ipaddress
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from hypercare.config.base import Duration, FilePath, OneOrMany, Secret, StrictModel, refuse
from hypercare.model.time import DAY

Groups = tuple[tuple[str, ...], ...]


class SlackAnswers(StrictModel):
    """With it, Slack integrations that have an app's token keep one message a group, with buttons.

    Attributes:
        signing_secret: of the Slack app; what is not signed with it is refused.
        unknown_users: what to do with buttons pressed by people whose ``slack_id`` no person of ``people`` has.

    """

    exclusive: ClassVar[Groups] = (("signing_secret", "signing_secret_file"),)
    required_one: ClassVar[Groups] = (("signing_secret", "signing_secret_file"),)

    signing_secret: Secret = Secret("")
    signing_secret_file: FilePath = ""
    unknown_users: Literal["refuse", "allow"] = "refuse"


class PagerdutyAnswers(StrictModel):
    """Webhooks (version 3) of PagerDuty: what is acknowledged or resolved there is so here."""

    required_one: ClassVar[Groups] = (("webhook_secrets", "webhook_secret_files"),)

    webhook_secrets: Annotated[tuple[Secret, ...], OneOrMany] = ()
    webhook_secret_files: Annotated[tuple[FilePath, ...], OneOrMany] = ()


class Links(StrictModel):
    """Signed links in pages.

    Attributes:
        secret: signs them; without one hypercare makes its own and keeps it in its state.
        valid: how long after the page a link works, ms.

    """

    exclusive: ClassVar[Groups] = (("secret", "secret_file"),)

    secret: Secret = Secret("")
    secret_file: FilePath = ""
    valid: Annotated[Duration, Field(gt=0)] = 1 * DAY


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise refuse(f"not a network: {error}", hint="write it as 10.1.0.0/16 or 192.0.2.7") from None


class Outgoing(StrictModel):
    """Where notifications may go.

    Attributes:
        deny_private: not to addresses that only this machine or its networks reach (loopback, private, link-local, …);
            the address is checked when the connection is made, and redirects are not followed.
        allow: networks that are allowed in spite of that, a proxy's among them.

    """

    deny_private: bool = False
    allow: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], OneOrMany] = ()


class ChannelsConfig(StrictModel):
    """The ways to people, and back.

    Attributes:
        keep: so long after its end a delivery is forgotten, ms.

    """

    slack: SlackAnswers | None = None
    pagerduty: PagerdutyAnswers | None = None
    links: Links = Links()
    outgoing: Outgoing = Outgoing()
    keep: Annotated[Duration, Field(gt=0)] = 30 * DAY
