"""Policy 1.4: content about somebody else goes out only when both the author and whoever is shown allow it."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.support.world import World

FIELDS = ["Post.text", "Subject.mentions", "Subject.photos"]


async def _a_post_about(world: World, author: UUID, *depicted: UUID) -> None:
    post_id = uuid4()
    await world.owner.execute(
        "insert into platform.post values ($1, $2, '我们在深圳', now(), $3)", post_id, author, list(depicted)
    )
    for person in depicted:
        await world.owner.execute("insert into platform.mention values ($1, $2, $3, $4)", uuid4(), post_id, author, person)


@pytest.mark.parametrize(("author_agrees", "depicted_agrees"), [(True, True), (True, False), (False, True), (False, False)])
async def test_a_post_and_its_mention_are_there_only_when_both_agree(
    world: World, *, author_agrees: bool, depicted_agrees: bool
) -> None:
    partner_id, caller = await world.a_reader(FIELDS)
    author, depicted = await world.a_subject(), await world.a_subject()
    await _a_post_about(world, author, depicted)
    others = ["profile.city"]
    await world.a_consent(author, partner_id, categories=["content.posts", "content.mentions"] if author_agrees else others)
    await world.a_consent(depicted, partner_id, categories=["content.posts", "content.mentions"] if depicted_agrees else others)

    seen = await world.see(caller, "id posts { text } mentions")

    by_id = {row["id"]: row for row in seen}
    shown = ["我们在深圳"] if author_agrees and depicted_agrees else []
    posts, mentions = by_id[world.id_of(author, partner_id)]["posts"], by_id[world.id_of(depicted, partner_id)]["mentions"]
    assert posts == ([{"text": text} for text in shown] if author_agrees else None)
    assert mentions == (shown if depicted_agrees else None)


async def test_somebody_without_any_word_to_this_partner_keeps_the_content_in(world: World) -> None:
    partner_id, caller = await world.a_reader(FIELDS)
    author, stranger = await world.a_subject(), await world.a_subject()
    await _a_post_about(world, author, stranger)
    await world.a_consent(author, partner_id)

    assert await world.see(caller, "posts { text }") == [{"posts": []}]


async def test_the_record_names_the_other_persons_too(world: World) -> None:
    """policy 6: whose data went out is found by data subject."""
    partner_id, caller = await world.a_reader(FIELDS)
    author, depicted = await world.a_subject(), await world.a_subject()
    await _a_post_about(world, author, depicted)
    for subject_id in (author, depicted):
        await world.a_consent(subject_id, partner_id)

    answer = await world.ask(
        caller, "query ($id: ID!) { subject(id: $id) { posts { text } } }", id=world.id_of(author, partner_id)
    )

    rows = await world.owner.fetch(
        "select subject_id, roots from gateway.disclosure_subject where disclosure_id = $1",
        UUID(answer["extensions"]["disclosure"]["id"]),
    )
    assert {(row["subject_id"], row["roots"]) for row in rows} == {(author, 1), (depicted, 0)}
