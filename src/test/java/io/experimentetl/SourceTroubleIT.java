package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.stream.Stream;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What happens to a source in the field, while one job reads it: values like Debezium's own, locks,
 * types that go, old rows that are only keys. The role and the database have settings that a job
 * does not expect. Each case has rows of its own; the audit at the end compares all of them.
 */
class SourceTroubleIT {
  private static final String PLACEHOLDER = "__debezium_unavailable_value";

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  @TempDir private static Path folder;
  private static JobOnServers job;

  /** The extension offers its cluster to the environment of a job only during a test. */
  @BeforeEach
  void startOnce(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job == null) {
      start(flink);
    }
  }

  private static void start(MiniCluster flink) throws Exception {
    job = new JobOnServers(PLATFORM, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE);
    sql(
        "CREATE DOMAIN version_number AS int CHECK (VALUE > 0)",
        "ALTER TABLE assignments ALTER version TYPE version_number",
        // The first start reads the types of the whole database.
        "CREATE TYPE kind_without_values AS ENUM ()",
        """
        INSERT INTO experiments (id, key, name, status, seed, starts_at) VALUES (1, 'trouble', 'Trouble', 'ACTIVE', 's', now() - interval '30 days');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control) VALUES (11, 1, 'c', 'C', 50, true), (12, 1, 't', 'T', 50, false);
        INSERT INTO users (user_id, name, properties)
        SELECT 'u' || n, 'User ' || n, jsonb_build_object('country', 'NP', 'note', repeat(md5(n::text), 200)) FROM generate_series(1, 20) n;
        INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at)
        SELECT 1, 'u' || n, 11 + n % 2, now() - interval '20 days' FROM generate_series(1, 20) n;
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type)
        SELECT now() - interval '19 days', 1, 'u' || n, 11 + n % 2, 'exposure' FROM generate_series(1, 20) n;
        """);
    makeSettingsHostile();
    job.start(2);
    job.passSnapshot();
  }

  /** Only sessions that set what they need work with these settings. */
  private static void makeSettingsHostile() throws Exception {
    String database = job.postgres.database();
    sql(
        Stream.concat(
                Stream.of(
                    "CREATE SCHEMA shadow",
                    "GRANT USAGE ON SCHEMA shadow TO PUBLIC",
                    "CREATE TABLE shadow.users (user_id int)",
                    "CREATE TABLE shadow.events (id int)",
                    "CREATE TABLE shadow.etl_heartbeat (writer int)"),
                Stream.of(
                        "default_transaction_read_only = on",
                        "default_transaction_isolation = 'serializable'",
                        "statement_timeout = '5ms'",
                        "lock_timeout = '1ms'",
                        "idle_in_transaction_session_timeout = '5ms'",
                        "idle_session_timeout = '5ms'",
                        "transaction_timeout = '1s'",
                        "search_path = shadow, public",
                        "DateStyle = 'German, DMY'",
                        "IntervalStyle = 'sql_standard'",
                        "TimeZone = 'Asia/Kathmandu'",
                        "client_encoding = 'LATIN1'",
                        "bytea_output = 'escape'",
                        "extra_float_digits = -15")
                    .map(setting -> "ALTER DATABASE " + database + " SET " + setting))
            .toArray(String[]::new));
  }

  @AfterAll
  static void auditAndClose() throws Exception {
    job.closeBehindEqualAudit();
  }

  private static void sql(String... statements) throws Exception {
    job.execute(
        Stream.concat(Stream.of("SET search_path = public"), Stream.of(statements))
            .toArray(String[]::new));
  }

  private static String found(String query) {
    return job.clickHouse.query(query);
  }

  private static void assertNoDeadLetters() {
    assertThat(
            found(
                "SELECT subject, detail FROM data_inconsistencies FINAL WHERE status = 'OPEN' AND dead_letter_since IS NOT NULL AND code != 'S-INCOMPLETE-ROW' FORMAT TSV"))
        .isEmpty();
  }

  @Test
  void textEqualToDebeziumsPlaceholderIsDeliveredAsWritten() throws Exception {
    sql(
        "INSERT INTO users (user_id, name) VALUES ('placeholder', '" + PLACEHOLDER + "')",
        // The large properties stay unchanged and are not sent.
        "UPDATE users SET name = '" + PLACEHOLDER + "' WHERE user_id = 'u1'",
        "UPDATE users SET email = '" + PLACEHOLDER + "', is_active = false WHERE user_id = 'u2'",
        "UPDATE variants SET description = '" + PLACEHOLDER + "' WHERE id = 12",
        "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, session_id) VALUES ('00000000-0000-4000-8000-000000000001', now(), 1, 'u1', 12, 'page_view', '"
            + PLACEHOLDER
            + "')");
    job.awaitAnswer(
        "SELECT user_id, name, email, length(properties) > 6000 FROM users FINAL WHERE user_id IN ('placeholder', 'u1', 'u2') ORDER BY user_id FORMAT CSV",
        "\"placeholder\",\"%1$s\",\\N,\\N\n\"u1\",\"%1$s\",\\N,1\n\"u2\",\"User 2\",\"%1$s\",1"
            .formatted(PLACEHOLDER));
    job.awaitAnswer(
        "SELECT session_id FROM events_processed FINAL WHERE event_id = '00000000-0000-4000-8000-000000000001'",
        PLACEHOLDER);
    job.awaitAnswer("SELECT description FROM variants FINAL WHERE id = 12", PLACEHOLDER);
    assertNoDeadLetters();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT * FROM etl_heartbeat WHERE writer = 'source' FOR UPDATE",
        "LOCK TABLE etl_heartbeat IN SHARE MODE",
        "UPDATE etl_heartbeat SET beat_at = now()"
      })
  void streamGoesOnWhileAnotherSessionHoldsTheHeartbeat(String lock) throws Exception {
    String user = "locked " + lock.hashCode();
    try (Connection forgetful = job.postgres.connect();
        Statement statement = forgetful.createStatement()) {
      forgetful.setAutoCommit(false);
      statement.execute("SET search_path = public");
      statement.execute(lock);
      await().until(() -> heartbeatsThatWait() > 0);
      sql("INSERT INTO users (user_id) VALUES ('" + user + "')");
      job.awaitAnswer("SELECT count() FROM users FINAL WHERE user_id = '" + user + "'", "1");
      await("the heartbeat is given up, and not in the way of others")
          .until(() -> heartbeatsThatWait() == 0);
      forgetful.rollback();
    }
    long before =
        job.postgres.count(
            "SELECT (extract(epoch FROM max(beat_at)) * 1000)::bigint FROM public.etl_heartbeat WHERE writer = 'source'");
    await()
        .atMost(Duration.ofMinutes(1))
        .until(
            () ->
                job.postgres.count(
                        "SELECT (extract(epoch FROM max(beat_at)) * 1000)::bigint FROM public.etl_heartbeat WHERE writer = 'source'")
                    > before);
  }

  private static long heartbeatsThatWait() {
    return job.postgres.count(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%etl_heartbeat%' AND datname = current_database()");
  }

  @Test
  void enumWithoutValuesPreventsNeitherAStartNorARestart() throws Exception {
    sql(
        "CREATE TYPE empty_kind AS ENUM ()",
        "CREATE TABLE unused (kind empty_kind, kinds empty_kind[])");
    job.loseTaskManager();
    sql("INSERT INTO users (user_id) VALUES ('behind the empty enum')");
    job.awaitAnswer("SELECT count() FROM users FINAL WHERE user_id = 'behind the empty enum'", "1");
    sql("DROP TABLE unused", "DROP TYPE empty_kind");
  }

  @Test
  void valueIsReadByItsDeclaredTypeWhereTheCatalogueNoLongerHasItsType() throws Exception {
    job.checkpoint();
    job.loseTaskManager(
        "SET search_path = public",
        "INSERT INTO experiments (id, key, name, status, seed, starts_at) VALUES (21, 'enum', 'Enum', 'PAUSED', 's', now() - interval '3 days')",
        "INSERT INTO users (user_id) VALUES ('domain')",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, version) VALUES (2101, 1, 'domain', 12, 7)",
        "ALTER TYPE experiment_status RENAME TO experiment_status_old",
        "CREATE TYPE experiment_status AS ENUM ('DRAFT', 'ACTIVE', 'PAUSED', 'COMPLETED')",
        "ALTER TABLE experiments ALTER status DROP DEFAULT, ALTER status TYPE experiment_status USING status::text::experiment_status, ALTER status SET DEFAULT 'DRAFT'",
        "DROP TYPE experiment_status_old",
        "ALTER TABLE assignments ALTER version TYPE int",
        "DROP DOMAIN version_number",
        "UPDATE experiments SET name = name || '!' WHERE id = 1");
    job.awaitAnswer(
        "SELECT id, name, status FROM experiments FINAL WHERE id IN (1, 21) ORDER BY id FORMAT CSV",
        "1,\"Trouble!\",\"ACTIVE\"\n21,\"Enum\",\"PAUSED\"");
    job.awaitAnswer("SELECT version FROM assignments_processed FINAL WHERE id = 2101", "7");
    assertNoDeadLetters();
  }

  @Test
  void userDeletedByAKeyIsErasedAndPartsOfOldRowsAreRefused() throws Exception {
    sql(
        "INSERT INTO users (user_id) VALUES ('gone')",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, assigned_at) VALUES (2201, 1, 'gone', 12, now() - interval '2 days')",
        "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type) VALUES ('00000000-0000-4000-8000-000000000022', now() - interval '1 day', 1, 'gone', 12, 'exposure')");
    job.awaitAnswer("SELECT count() FROM events_processed FINAL WHERE user_id = 'gone'", "1");
    identity("DEFAULT");
    sql("DELETE FROM users WHERE user_id = 'gone'");
    job.awaitAnswer(
        "SELECT (SELECT count() FROM users FINAL WHERE user_id = 'gone' AND _deleted = 0),"
            + " (SELECT count() FROM events_processed FINAL WHERE user_id = 'gone' AND _deleted = 0),"
            + " (SELECT count() FROM assignments_processed FINAL WHERE user_id = 'gone' AND _deleted = 0) FORMAT CSV",
        "0,0,0");
    job.awaitAnswer(
        "SELECT subject_kind, position(detail, 'REPLICA IDENTITY FULL') > 0 FROM data_inconsistencies FINAL WHERE code = '"
            + "S-INCOMPLETE-ROW"
            + "' ORDER BY 1 FORMAT CSV",
        "\"assignment\",1\n\"event\",1");
    assertThat(found("SELECT count() FROM users FINAL WHERE user_id = ''"))
        .as("invented users")
        .isEqualTo("0");
    identity("FULL");
  }

  private static void identity(String identity) throws Exception {
    sql(
        """
        DO $$
        DECLARE captured regclass;
        BEGIN
          FOR captured IN SELECT unnest(ARRAY['public.users', 'public.assignments']::regclass[]) UNION SELECT relid FROM pg_partition_tree('public.events')
          LOOP EXECUTE format('ALTER TABLE %s REPLICA IDENTITY IDENTITY', captured); END LOOP;
        END $$"""
            .replace("IDENTITY IDENTITY", "IDENTITY " + identity));
  }
}
