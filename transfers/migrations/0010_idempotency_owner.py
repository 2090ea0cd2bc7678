"""An idempotency key belongs to its owner, the platform or one merchant, and no longer to the credential that sent it.

Rows that are there are carried over, so that a retry which comes after the migration still finds its first answer:

- keys sent with an API key become its merchant's, or the platform's if it has none; keys of open mode, of operators in the admin, of
  commands and of the platform's users become the platform's;
- a token of another issuer may have been the platform's or a merchant's, and its row does not say which. It becomes the platform's,
  and where it posted something, a copy becomes the merchant's who alone could have asked for it: who sent a reversal, who receives a
  capture or the money of a hold that was voided, who paid in all other cases;
- where one owner then has a key twice, the oldest row stays: it is the answer that the key got first. Who sent the later request
  again is told ``idempotency_key_reused``, or gets the first answer if the requests were the same.

Back again: each row goes to the credential that its transfer names, a row without a transfer keeps its owner's name.
"""

from django.db import migrations, models

_CARRY = """
UPDATE transfers_idempotencyrecord r SET owner = coalesce(
    (SELECT 'merchant:' || k.merchant_id FROM merchants_apikey k WHERE r.owner = 'key:' || k.id), 'platform');

INSERT INTO transfers_idempotencyrecord (id, owner, key, fingerprint, status_code, body, transfer_id, created_at, expires_at)
SELECT gen_random_uuid(),
    'merchant:' || CASE WHEN h.id IS NOT NULL AND t.kind IN ('capture', 'hold_release') THEN h.target_merchant_id ELSE a.merchant_id END,
    r.key, r.fingerprint, r.status_code, r.body, r.transfer_id, r.created_at, r.expires_at
FROM transfers_idempotencyrecord r
JOIN transfers_transfer t ON t.id = r.transfer_id
JOIN merchants_account a ON a.id = t.source_id
LEFT JOIN transfers_hold h ON h.id = t.hold_id
WHERE t.principal LIKE 'jwt:%' AND t.principal !~ '^jwt:user-[0-9]+$' AND t.kind NOT IN ('deposit', 'opening', 'fee_settlement');
"""

_CARRY_BACK = """
UPDATE transfers_idempotencyrecord r SET owner = t.principal FROM transfers_transfer t WHERE t.id = r.transfer_id;
"""

_KEEP_THE_OLDEST = """
DELETE FROM transfers_idempotencyrecord r USING (
    SELECT id, row_number() OVER (PARTITION BY owner, key ORDER BY created_at, id) AS place FROM transfers_idempotencyrecord
) d WHERE d.id = r.id AND d.place > 1;
"""


class Migration(migrations.Migration):
    dependencies = [("merchants", "0004_list_indexes"), ("transfers", "0009_key_expiry_index")]
    operations = [
        migrations.RemoveConstraint("idempotencyrecord", "idempotency_principal_key_unique"),
        migrations.RenameField("idempotencyrecord", "principal", "owner"),
        migrations.RunSQL(_CARRY + _KEEP_THE_OLDEST, _CARRY_BACK + _KEEP_THE_OLDEST),
        migrations.AddConstraint(
            "idempotencyrecord", models.UniqueConstraint(fields=["key", "owner"], name="idempotency_owner_key_unique")
        ),
    ]
