"""How people get in and out: sign-in, second factor, password reset, invitations, sign-up.

django-allauth does the steps; what it lets a project decide stands here. The admin uses these pages
too.
"""
