"""Keys and users in the admin."""

from people.admin import keys as keys
from people.admin import users as users
