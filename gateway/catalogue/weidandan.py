"""微单单's catalogue: the data of policy chapter 1, as partners may see it once a scope, a grant and a consent allow it."""

import strawberry

from gateway.catalogue.definition import Catalogue, OtherPersons, Table, rows, value, values
from scopes import Kind

DEPICTED = OtherPersons("x.depicted_ids", "content.mentions")  # policy 1.4: whoever is shown decides as well
SHARED_CONTENT = "x.deleted_at is null and x.is_shared"  # policy 4: gone from the next query on

ADDRESSES = Table("platform.address x", order="x.address_id")
POSTS = Table("platform.post x", order="x.posted_at desc, x.post_id", shown=SHARED_CONTENT, others=(DEPICTED,))
PHOTOS = Table("platform.photo x", order="x.taken_at desc, x.photo_id", shown=SHARED_CONTENT, others=(DEPICTED,))
MENTIONS = Table(
    "platform.mention m join platform.post x on x.post_id = m.post_id",
    subject="m.depicted_id",
    order="x.posted_at desc, x.post_id",
    shown=SHARED_CONTENT,
    others=(OtherPersons("array[x.subject_id]", "content.posts"), DEPICTED),
)
SURVEY_ANSWERS = Table("platform.survey_answer x", order="x.answered_at desc, x.answer_id")
SUPPORT_CASES = Table("platform.support_case x", order="x.opened_at desc, x.case_id")
SERVICE_EVENTS = Table("platform.service_event x", order="x.occurred_at desc, x.event_id")
DEVICES = Table("platform.device x", order="x.device_id")
PARTNER_LOGINS = Table("platform.partner_login x", order="x.logged_in_at desc, x.login_id")


@strawberry.type(description="A postal address the data subject gave (policy 1.2).")
class Address:
    recipient: str | None = value(Kind.NAME, "contact.address", "recipient", description="Who receives deliveries there.")
    mobile_number: str | None = value(
        Kind.PHONE, "contact.address", "mobile_number", description="The recipient's mobile number."
    )
    street: str | None = value(Kind.ADDRESS, "contact.address", "street", description="The full postal line.")
    city: str | None = value(Kind.CITY, "contact.address", "city", description="The city.")
    postcode: str | None = value(Kind.POSTCODE, "contact.address", "postcode", description="Six digits.")


@strawberry.type(description="Something the data subject posted (policy 1.2), unless deleted or un-shared since (policy 4).")
class Post:
    id: strawberry.ID | None = value(
        Kind.IDENTIFIER, "content.posts", "post_id", description="Names the post for this partner and purpose."
    )
    text: str | None = value(Kind.TEXT, "content.posts", "text", description="The text as posted.")
    posted_at: str | None = value(Kind.INSTANT, "content.posts", "posted_at", description="When, in UTC.")


@strawberry.type(description="An entry of the service log (policy 1.3).")
class ServiceEvent:
    kind: str | None = value(Kind.LABEL, "log.events", "kind", description="search, view, fault.")
    at: str | None = value(Kind.INSTANT, "log.events", "occurred_at", description="When, in UTC.")
    ip_address: str | None = value(Kind.IP, "log.ip_address", "ip_address", description="The address it came from.")
    referrer: str | None = value(Kind.URL, "log.events", "referrer", description="The page that led there.")


@strawberry.type(description="Software the data subject uses the service with (policy 1.3).")
class Device:
    app_version: str | None = value(Kind.LABEL, "software.devices", "app_version", description="Version of the app.")
    browser: str | None = value(Kind.LABEL, "software.devices", "browser", description="Type of browser.")


@strawberry.type(description="A login at a partner with the platform account (policy 1.5).")
class PartnerLogin:
    partner: str | None = value(Kind.LABEL, "partner.logins", "partner_name", description="Name of the partner.")
    at: str | None = value(Kind.INSTANT, "partner.logins", "logged_in_at", description="When, in UTC.")


@strawberry.type(description="A data subject, known to each partner under a pseudonym of its own for each purpose.")
class Subject:
    real_name: str | None = value(Kind.NAME, "identity.real_name", "real_name", description="The name given at registration.")
    mobile_number: str | None = value(Kind.PHONE, "identity.mobile_number", "mobile_number", description="The mobile number.")
    national_id: str | None = value(
        Kind.NATIONAL_ID, "identity.national_id", "national_id", description="The identity card number."
    )
    email: str | None = value(Kind.EMAIL, "identity.email", "email", description="The e-mail address.")
    birth_date: str | None = value(Kind.BIRTH_DATE, "profile.birth_date", "birth_date", description="The date of birth.")
    city: str | None = value(Kind.CITY, "profile.city", "city", description="Where the data subject lives.")
    registered_at: str | None = value(
        Kind.INSTANT, "profile.registered_at", "registered_at", description="When the account began, in UTC."
    )
    language: str | None = value(Kind.LABEL, "profile.language", "language", description="The language of the account.")
    addresses: list[Address | None] | None = rows(ADDRESSES, description="Postal addresses.")
    posts: list[Post | None] | None = rows(POSTS, description="Posts, newest first.")
    photos: list[str | None] | None = values(
        Kind.URL, "content.photos", "url", table=PHOTOS, description="Photos, newest first, each by its address."
    )
    survey_answers: list[str | None] | None = values(
        Kind.TEXT, "survey.answers", "text", table=SURVEY_ANSWERS, description="Answers to surveys, newest first."
    )
    support_cases: list[str | None] | None = values(
        Kind.TEXT, "support.cases", "text", table=SUPPORT_CASES, description="Requests to customer service, newest first."
    )
    service_events: list[ServiceEvent | None] | None = rows(SERVICE_EVENTS, description="The service log, newest first.")
    devices: list[Device | None] | None = rows(DEVICES, description="Software in use.")
    partner_logins: list[PartnerLogin | None] | None = rows(PARTNER_LOGINS, description="Logins at partners, newest first.")
    location: str | None = value(Kind.LOCATION, "location.precise", "location", description="Latitude and longitude in degrees.")
    mentions: list[str | None] | None = values(
        Kind.TEXT,
        "content.mentions",
        "text",
        table=MENTIONS,
        description="What others posted about the data subject, newest first (policy 1.4).",
    )


CATALOGUE = Catalogue(subject=Subject, table="platform.account x")
