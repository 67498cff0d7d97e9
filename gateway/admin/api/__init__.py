"""/admin/graphql: ordinary Strawberry over the staff's own functions, for a staff token alone."""

import gateway.admin.api.words  # noqa: F401 - the closed lists have their names before any type mentions one
