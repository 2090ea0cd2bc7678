"""Documents for people, without any subject: fonts, and pages of PDF."""
