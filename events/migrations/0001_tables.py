"""Who reads the feed in the background."""

from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Consumer',
            fields=[
                ('name', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('cursor', models.UUIDField(null=True)),
                ('moved_at', models.DateTimeField()),
            ],
        ),
    ]
