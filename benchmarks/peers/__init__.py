"""Services that do the same in the usual ways, each in the environment of requirements.txt. They import nothing of ours."""
