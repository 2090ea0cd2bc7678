"""Names are compared by ASCII letters only, whatever the database's locale: both indexes of folded names are made again that way.

Each index is made CONCURRENTLY under another name and takes the old one's name when it is complete, so that nobody waits, names are
unique at every moment, and a run that was cut short can be repeated.
"""

from django.db import migrations, models
from django.db.models.functions import Collate, Lower

INDEXES = {
    "merchant_name_unique": ("UNIQUE INDEX", "(lower({name}))"),
    "merchant_name_grams": ("INDEX", "USING gin (ledger_grams(lower({name})))"),
}

CLASHES = """
SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM merchants_merchant
GROUP BY lower({name}) HAVING count(*) > 1 ORDER BY 1 LIMIT 10
"""


def refuse_clashes(cursor, name):
    """A locale with rules of its own may have let two merchants in whose names are one; which of them keeps it is not ours to say."""
    cursor.execute(CLASHES.format(name=name))
    clashes = [names for (names,) in cursor.fetchall()]
    if clashes:
        raise ValueError(
            f"These merchants have names that differ in ASCII case only: {'; '.join(clashes)}. Give all but one of each another name first, "
            "as the owner of the tables: ALTER TABLE merchants_merchant DISABLE TRIGGER merchant_identity; UPDATE …; ENABLE it again."
        )


def make_indexes(schema_editor, name):
    with schema_editor.connection.cursor() as cursor:
        refuse_clashes(cursor, name)
        for index, (kind, definition) in INDEXES.items():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}_new")
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}_old")
            cursor.execute(f"CREATE {kind} CONCURRENTLY {index}_new ON merchants_merchant {definition.format(name=name)}")
            # One statement for the database, so one transaction: there is always an index of this name.
            cursor.execute(f"ALTER INDEX IF EXISTS {index} RENAME TO {index}_old; ALTER INDEX {index}_new RENAME TO {index}")
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}_old")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("merchants", "0004_list_indexes")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint("merchant", "merchant_name_unique"),
                migrations.AddConstraint(
                    "merchant", models.UniqueConstraint(Lower(Collate("name", "C")), name="merchant_name_unique")
                ),
            ],
            database_operations=[
                migrations.RunPython(
                    lambda apps, schema_editor: make_indexes(schema_editor, 'name COLLATE "C"'),
                    lambda apps, schema_editor: make_indexes(schema_editor, "name"),
                )
            ],
        ),
    ]
