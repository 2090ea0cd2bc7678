"""A hold has one movement that begins it and one that ends it: a unique index, by which the guards of 0013 find them as well."""

from django.db import migrations, models

NAME = "transfer_hold_begun_and_ended_once"


class Migration(migrations.Migration):
    atomic = False  # an index is made CONCURRENTLY outside of transactions only
    dependencies = [("transfers", "0011_long_amounts_index")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                # What an attempt that was broken off has left is no index that serves.
                migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}", migrations.RunSQL.noop),
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY {NAME} ON transfers_transfer (hold_id, (CASE kind WHEN 'hold' THEN 0 ELSE 1 END)) "
                    "WHERE hold_id IS NOT NULL",
                    f"DROP INDEX CONCURRENTLY {NAME}",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="transfer",
                    constraint=models.UniqueConstraint(
                        models.F("hold"),
                        models.Case(
                            models.When(kind="hold", then=models.Value(0)),
                            default=models.Value(1),
                            output_field=models.SmallIntegerField(),
                        ),
                        condition=models.Q(hold__isnull=False),
                        name=NAME,
                    ),
                )
            ],
        )
    ]
