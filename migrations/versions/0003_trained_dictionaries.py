"""Which payload dictionaries were trained and how well; none can be changed or deleted any more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "payload_dictionary",
        sa.Column(
            "trained_on", sa.Integer, comment="messages it was trained on; null: it came with a release"
        ),
    )
    op.add_column(
        "payload_dictionary",
        sa.Column("plain_bytes", sa.BigInteger, comment="of the messages that it was then judged by"),
    )
    op.add_column(
        "payload_dictionary", sa.Column("stored_bytes", sa.BigInteger, comment="of the same, compressed")
    )
    op.execute(
        """
        create function payload_dictionary_is_kept() returns trigger language plpgsql as $$
        begin
            raise exception 'payload dictionaries are never changed or deleted: '
                'what was stored with one cannot be read without it';
        end $$
        """
    )
    op.execute(
        """
        create trigger payload_dictionary_is_kept before update or delete or truncate on payload_dictionary
        for each statement execute function payload_dictionary_is_kept()
        """
    )


def downgrade() -> None:
    op.execute("drop trigger payload_dictionary_is_kept on payload_dictionary")
    op.execute("drop function payload_dictionary_is_kept()")
    for column in ("stored_bytes", "plain_bytes", "trained_on"):
        op.drop_column("payload_dictionary", column)
