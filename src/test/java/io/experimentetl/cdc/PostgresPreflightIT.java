package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PlatformExtension;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PostgresPreflightIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @Test
  void databaseWithAllSqlAppliedTwiceHasNoProblem() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "fit");
    database.apply("001_platform.sql");
    database.apply("002_etl.sql");
    database.applySlot();
    assertThat(check(database.settings())).isEmpty();
  }

  @Test
  void platformWithoutOptionalColumnHasNoProblem() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "optional");
    database.execute("ALTER TABLE events DROP COLUMN device_id");
    assertThat(check(database.settings())).isEmpty();
  }

  @Test
  void everyProblemIsNamedWithItsPlaceAndRemedy() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "unfit");
    String place = database.settings().place();
    database.execute("ALTER PUBLICATION experiment_etl DROP TABLE events");
    database.execute("ALTER PUBLICATION experiment_etl SET (publish = 'insert')");
    database.execute("CREATE TABLE stray (id int PRIMARY KEY)");
    database.execute("ALTER PUBLICATION experiment_etl ADD TABLE stray");
    database.execute("ALTER PUBLICATION experiment_etl SET (publish_via_partition_root = false)");
    database.execute("ALTER TABLE events_default REPLICA IDENTITY DEFAULT");
    database.execute("ALTER TABLE users DROP COLUMN email");
    database.execute("SELECT pg_drop_replication_slot('" + database.slot() + "')");
    assertThat(check(database.settings()))
        .containsExactlyInAnyOrder(
            "The publication experiment_etl in "
                + place
                + " does not contain the table public.events: apply sql/postgres/002_etl.sql.",
            "The publication experiment_etl in "
                + place
                + " does not publish all of insert, update, delete, truncate: ALTER PUBLICATION experiment_etl SET (publish = 'insert, update, delete, truncate').",
            "The publication experiment_etl in "
                + place
                + " also holds public.stray, which the job does not read: apply sql/postgres/002_etl.sql, and give other readers a publication of their own.",
            "The publication experiment_etl in "
                + place
                + " does not publish via the partition root, so rows would name their partition: apply sql/postgres/002_etl.sql.",
            "The table public.events_default in "
                + place
                + " has no REPLICA IDENTITY FULL, so updates and deletes arrive without the old row: apply sql/postgres/002_etl.sql.",
            "The table public.users in "
                + place
                + " does not have the columns email: add them as in sql/postgres/001_platform.sql, or map it in source.tables.users.",
            "The replication slot "
                + database.slot()
                + " on "
                + place
                + " is missing: apply sql/postgres/003_slot.sql.");
  }

  @Test
  void wrongPasswordMissingDatabaseAndUnreachableServerHaveDifferentMessages() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "login");
    PostgresSourceSettings good = database.settings();
    assertThat(check(with(good, good.host(), good.port(), good.database(), "no")))
        .singleElement()
        .asString()
        .startsWith("The login as postgres at PostgreSQL " + good.place() + " is refused");
    assertThat(check(with(good, good.host(), good.port(), "nowhere", database.password())))
        .singleElement()
        .asString()
        .contains("has no database nowhere");
    assertThat(check(with(good, good.host(), 1, good.database(), database.password())))
        .singleElement()
        .asString()
        .contains("cannot be reached")
        .contains("check source.host and source.port");
  }

  @Test
  void missingSlotNeedsAResyncOnlyForAJobWithState() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "noslot");
    database.execute("SELECT pg_drop_replication_slot('" + database.slot() + "')");
    assertThat(check(database.settings()))
        .singleElement()
        .asString()
        .endsWith("is missing: apply sql/postgres/003_slot.sql.");
    assertThat(PostgresPreflight.check(database.settings(), true, false))
        .singleElement()
        .asString()
        .contains("apply sql/postgres/003_slot.sql, and read everything again", "./etl resync");
  }

  @Test
  void outboxIsNeededOnlyForTheRelay() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "nooutbox");
    PostgresSourceSettings relay = database.settings();
    PostgresSourceSettings noRelay =
        new PostgresSourceSettings(
            relay.host(),
            relay.port(),
            relay.database(),
            relay.mapping(),
            relay.username(),
            relay.password(),
            relay.tls(),
            relay.publication(),
            relay.slot(),
            relay.heartbeatInterval(),
            relay.splitSize(),
            false);
    assertThat(check(noRelay)).as("published, and not read").isEmpty();

    database.execute("DROP TABLE outbox_events");
    database.apply("002_etl.sql");

    assertThat(check(noRelay)).isEmpty();
    assertThat(check(relay)).isNotEmpty().allSatisfy(p -> assertThat(p).contains("outbox_events"));
  }

  private static List<String> check(PostgresSourceSettings settings) {
    return PostgresPreflight.check(settings, false, false);
  }

  private static PostgresSourceSettings with(
      PostgresSourceSettings from, String host, int port, String database, String password) {
    return new PostgresSourceSettings(
        host,
        port,
        database,
        from.mapping(),
        from.username(),
        () -> password,
        from.tls(),
        from.publication(),
        from.slot(),
        Duration.ofSeconds(1),
        1000,
        true);
  }

  @Test
  void grantsOfTheSqlFilesSuffice() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "role");
    database.execute("ALTER ROLE experiment_etl PASSWORD 'etl-pass'");
    PostgresSourceSettings admin = database.settings();
    PostgresSourceSettings etl =
        new PostgresSourceSettings(
            admin.host(),
            admin.port(),
            admin.database(),
            admin.mapping(),
            "experiment_etl",
            () -> "etl-pass",
            admin.tls(),
            admin.publication(),
            admin.slot(),
            admin.heartbeatInterval(),
            admin.splitSize(),
            admin.outbox());
    assertThat(check(etl)).isEmpty();
    database.execute("REVOKE SELECT ON users FROM experiment_etl");
    assertThat(check(etl))
        .containsExactly(
            "The role experiment_etl does not have SELECT on public.users in "
                + admin.place()
                + ": apply sql/postgres/002_etl.sql, or grant it.");
  }
}
