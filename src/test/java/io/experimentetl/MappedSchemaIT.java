package io.experimentetl;

import io.experimentetl.cdc.ResyncRequest;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.CaptureSql;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.EventId;
import io.experimentetl.model.SourceTable;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * A platform of which no table is a default one: another schema with quoted names, users of two
 * columns, experiments by text key and beside that by uuid, enums of its own, epochs, local times,
 * values in JSON, and rows that do not count. The snapshot, the stream and the audit read it
 * through the mapping.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class MappedSchemaIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final String SCHEMA =
      """
      CREATE SCHEMA "A/B";
      CREATE TYPE "A/B".phase AS ENUM ('PLANNED', 'RUNNING', 'DONE');
      CREATE TABLE "A/B"."Tests" (
          test_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), slug text UNIQUE NOT NULL, phase "A/B".phase NOT NULL,
          "Begin" bigint NOT NULL, last_day date);
      CREATE TABLE "A/B"."Arms" (
          arm_id smallint PRIMARY KEY, test_id uuid NOT NULL REFERENCES "A/B"."Tests" ON DELETE CASCADE, arm varchar(20) NOT NULL,
          weight real NOT NULL, holdout text NOT NULL, UNIQUE (test_id, arm));
      CREATE TABLE "A/B"."People" (
          kind text NOT NULL, nr int NOT NULL, plan text, "Since" timestamp NOT NULL DEFAULT '2026-01-01', state text NOT NULL,
          PRIMARY KEY (kind, nr));
      CREATE TABLE "A/B"."Joins" (
          join_id text PRIMARY KEY, test text NOT NULL, arm text NOT NULL, kind text NOT NULL, nr int NOT NULL, at timestamp NOT NULL);
      CREATE TABLE "A/B"."Views" (
          test text NOT NULL, kind text NOT NULL, nr int NOT NULL, arm text NOT NULL, seen numeric NOT NULL,
          PRIMARY KEY (test, kind, nr));
      CREATE TABLE "A/B"."Log" (
          id text PRIMARY KEY, body jsonb NOT NULL, deleted_at timestamptz);
      GRANT USAGE ON SCHEMA "A/B" TO experiment_etl_auditor;
      GRANT SELECT ON ALL TABLES IN SCHEMA "A/B" TO experiment_etl_auditor;
      """;

  private static final String TABLES =
      """
      experiments:
        table: '"A/B".Tests'
        columns: {id: test_id, key: slug, status: phase, starts_at: {column: Begin, unit: ms}, ends_at: {column: last_day, zone: Europe/Berlin}}
        values: {status: {PLANNED: DRAFT, RUNNING: ACTIVE, DONE: COMPLETED}}
      variants:
        table: '"A/B".Arms'
        columns: {id: arm_id, experiment_id: test_id, key: arm, allocation_pct: weight, is_control: holdout}
      users:
        table: '"A/B".People'
        columns: {user_id: [kind, nr], created_at: {column: Since, zone: America/New_York}}
        properties: [plan]
        where: {state: [member, trial, closed]}
        erased_when: {state: closed}
      assignments:
        table: '"A/B".Joins'
        columns: {id: join_id, experiment_id: {key: test}, variant_id: {key: arm}, user_id: [kind, nr], assigned_at: {column: at, zone: Asia/Tokyo}}
      exposures:
        table: '"A/B".Views'
        columns: {id: [test, kind, nr], experiment_id: {key: test}, variant_id: {key: arm}, user_id: [kind, nr], timestamp: {column: seen, unit: s}}
      events:
        table: '"A/B".Log'
        columns: {timestamp: body.at, experiment_id: {key: body.test}, user_id: body.who, event_type: body.what, properties: body.data}
        where: {deleted_at: null}
      """;

  private static final SourceMapping MAPPING =
      ConfigBuilder.read("source:\n  tables:\n" + TABLES.indent(4)).source().tables();

  /** The tables of which ClickHouse lacks rows, or has old ones. */
  private static final Set<SourceTable> REREAD =
      Set.of(
          SourceTable.EXPERIMENTS,
          SourceTable.VARIANTS,
          SourceTable.ASSIGNMENTS,
          SourceTable.EVENTS);

  /** Begins of days that a row's age in days is counted from, in UTC. */
  private static final String NOON =
      "(date_trunc('day', now() AT TIME ZONE 'UTC') + interval '12 hours')";

  @TempDir private static Path folder;
  private JobOnServers job;

  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job != null) {
      return;
    }
    JobDatabases databases = JobDatabases.create(PLATFORM, folder, "mapped");
    databases.execute(
        SCHEMA,
        CaptureSql.of(MAPPING, "experiment_etl", "experiment_etl").text(),
        "INSERT INTO \"A/B\".\"Tests\" (slug, phase, \"Begin\") SELECT 'checkout', 'RUNNING', extract(epoch FROM now() - interval '30 days') * 1000",
        "INSERT INTO \"A/B\".\"Arms\" SELECT n, test_id, chr(96 + n), n - 0.5, CASE n WHEN 1 THEN 'yes' ELSE 'no' END FROM \"A/B\".\"Tests\", generate_series(1, 2) n",
        "INSERT INTO \"A/B\".\"People\" (kind, nr, plan, state) SELECT 'U:x', n, 'pro', CASE n WHEN 9 THEN 'closed' ELSE 'member' END FROM generate_series(1, 9) n",
        // The last one is of a user whose row erases, and the platform keeps the facts.
        joins(1, 9),
        view(1, 9, 5),
        buy("1", 1, 3, "2.5", "NULL"),
        buy("2", 2, 3, "4", "NULL"),
        buy("3", 4, 3, "8", "now()"),
        // It has the id and the time of a view.
        buy("checkout:U\\:x:5", 5, 5, "32", "NULL"));
    databases.makeSlotAnew();
    job =
        new JobOnServers(
            databases, MAPPING, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE);
    job.start(2);
    job.passSnapshot();
  }

  @AfterAll
  void auditIsEqual() throws Exception {
    job.closeBehindEqualAudit();
  }

  /** Odd users are in b, even ones in a. */
  private static String joins(int from, int to) {
    return "INSERT INTO \"A/B\".\"Joins\" SELECT 'j-' || n, 'checkout', CASE n %% 2 WHEN 0 THEN 'a' ELSE 'b' END, 'U:x', n, %s + interval '9 hours' - interval '6 days' FROM generate_series(%d, %d) n"
        .formatted(NOON, from, to);
  }

  private static String view(int from, int to, int daysAgo) {
    return "INSERT INTO \"A/B\".\"Views\" SELECT 'checkout', 'U:x', n, CASE n %% 2 WHEN 0 THEN 'a' ELSE 'b' END, extract(epoch FROM (%s - interval '%d days') AT TIME ZONE 'UTC') FROM generate_series(%d, %d) n"
        .formatted(NOON, daysAgo, from, to);
  }

  private static String buy(String id, int user, int daysAgo, String revenue, String deletedAt) {
    return "INSERT INTO \"A/B\".\"Log\" VALUES ('%s', jsonb_build_object('test', 'checkout', 'who', 'U\\:x:%d', 'what', 'purchase', 'at', to_char(%s - interval '%d days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'data', jsonb_build_object('revenue', %s)), %s)"
        .formatted(id, user, NOON, daysAgo, revenue, deletedAt);
  }

  private static long experiment() {
    return EntityNumber.of(SourceTable.EXPERIMENTS, "checkout");
  }

  @Test
  @Order(1)
  void snapshotGivesTheKnownAnswer() {
    job.awaitAnswer(
        "SELECT id = "
            + experiment()
            + ", key, status, length(source_id), toDate(starts_at) = today() - 30 FROM experiments FINAL",
        "1\tcheckout\tACTIVE\t36\t1");
    job.awaitAnswer(
        "SELECT source_id, key, allocation_pct, is_control, experiment_id = "
            + experiment()
            + " FROM variants FINAL ORDER BY key",
        "1\ta\t0.5\ttrue\t1\n2\tb\t1.5\tfalse\t1");
    job.awaitAnswer(
        "SELECT count(), max(user_id), any(properties), any(created_at) FROM users FINAL",
        "8\tU\\\\:x:8\t{\"plan\": \"pro\"}\t2026-01-01 05:00:00.000000");
    job.awaitAnswer(
        "SELECT id = "
            + EntityNumber.of(SourceTable.ASSIGNMENTS, "j-3")
            + ", variant_key, toDate(assigned_at) = today() - 6, toHour(assigned_at) FROM assignments_processed FINAL WHERE source_id = 'j-3'",
        "1\tb\t1\t12");
    job.awaitAnswer(
        "SELECT event_id = '"
            + EventId.ofEntry("exposures", "checkout:U\\:x:3")
            + "', event_type, variant_key FROM events_processed FINAL WHERE source_id = 'exposures:checkout:U\\\\:x:3'",
        "1\texposure\tb");
    statistics("a\t4\t1\t4\nb\t4\t2\t34.5");
  }

  /** Users exposed, users who bought, and what they paid. */
  private void statistics(String answer) {
    job.awaitAnswer(
        """
        SELECT v.key, sum(s.new_users), sum(s.new_converters), sum(s.d_sum)
        FROM experiment_daily_stats s FINAL JOIN (SELECT id, key FROM variants FINAL) v ON v.id = s.variant_id
        WHERE s.metric = 'revenue' GROUP BY v.key ORDER BY v.key""",
        answer);
  }

  @Test
  @Order(2)
  void streamGivesTheKnownAnswer() throws Exception {
    job.execute(
        "INSERT INTO \"A/B\".\"People\" (kind, nr, plan, state) VALUES ('U:x', 10, NULL, 'trial')",
        joins(10, 10),
        view(10, 10, 4),
        buy("10", 10, 2, "16", "NULL"),
        // It begins to count, and another one stops.
        "UPDATE \"A/B\".\"Log\" SET deleted_at = NULL WHERE id = '3'",
        "UPDATE \"A/B\".\"Log\" SET deleted_at = now() WHERE id = '1'");
    statistics("a\t5\t3\t28\nb\t4\t1\t32");
  }

  @Test
  @Order(3)
  void userWhoStopsToMatchIsErased() throws Exception {
    job.execute(
        """
        BEGIN;
        DELETE FROM "A/B"."Joins" WHERE nr = 2;
        DELETE FROM "A/B"."Views" WHERE nr = 2;
        DELETE FROM "A/B"."Log" WHERE id = '2';
        UPDATE "A/B"."People" SET state = 'left' WHERE nr = 2;
        COMMIT""");
    statistics("a\t4\t2\t24\nb\t4\t1\t32");
    job.awaitAnswer("SELECT count() FROM users FINAL WHERE user_id LIKE '%:2'", "0");
  }

  @Test
  @Order(4)
  void userWhoseRowSaysSoIsErasedWhileThePlatformKeepsAllRows() throws Exception {
    job.execute(
        "UPDATE \"A/B\".\"People\" SET state = 'closed', \"Since\" = '2026-02-01' WHERE nr = 7");
    job.execute(buy("11", 7, 2, "128", "NULL"));
    statistics("a\t4\t2\t24\nb\t3\t1\t32");
    job.awaitAnswer("SELECT count() FROM users FINAL WHERE match(user_id, ':[79]$')", "0");
    job.awaitAnswer(
        "SELECT count() FROM events_processed FINAL WHERE match(user_id, ':[79]$')", "0");
  }

  @Test
  @Order(5)
  void rowsThatClickHouseHasLostOrTheStreamNeverHadAreReadAgain() throws Exception {
    job.clickHouse.query("DELETE FROM experiments WHERE true");
    job.clickHouse.query("DELETE FROM variants WHERE key = 'b'");
    String requests =
        MAPPING.tables().stream()
            .filter(table -> REREAD.contains(table.table()))
            .map(
                table ->
                    "INSERT INTO etl_heartbeat VALUES ('%s', now());"
                        .formatted(ResyncRequest.of(table.table(), table.readableName()).writer()))
            .collect(Collectors.joining());
    job.execute(
        """
        BEGIN;
        ALTER PUBLICATION experiment_etl DROP TABLE "A/B"."Joins", "A/B"."Log";
        UPDATE "A/B"."Joins" SET at = at - interval '1 day' WHERE join_id = 'j-4';
        UPDATE "A/B"."Log" SET body = jsonb_set(body, '{data,revenue}', '64') WHERE id = '3';
        ALTER PUBLICATION experiment_etl ADD TABLE "A/B"."Joins", "A/B"."Log";
        %s
        COMMIT"""
            .formatted(requests));
    job.awaitAnswer("SELECT key FROM experiments FINAL", "checkout");
    job.awaitAnswer(
        "SELECT groupArray(key) FROM (SELECT key FROM variants FINAL ORDER BY key)", "['a','b']");
    job.awaitAnswer(
        "SELECT toDate(assigned_at) = today() - 7 FROM assignments_processed FINAL WHERE source_id = 'j-4'",
        "1");
    statistics("a\t4\t2\t80\nb\t3\t1\t32");
  }
}
