"""Who may act for whom: users, their memberships, and API keys."""

from people.models.keys import ApiKey as ApiKey
from people.models.memberships import Membership as Membership
from people.models.users import User as User
