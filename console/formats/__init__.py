"""How moments are written on pages: Django's FORMAT_MODULE_PATH."""
