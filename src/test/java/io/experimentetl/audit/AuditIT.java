package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.VerifyCommand;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import picocli.CommandLine;

class AuditIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final StatisticsConfig STATISTICS = StatisticsConfig.defaults();
  private static final LocalDate YESTERDAY = LocalDate.now(ZoneOffset.UTC).minusDays(1);

  private final ScheduledExecutorService background = Executors.newScheduledThreadPool(2);
  private ScheduledFuture<?> delivery;
  private AuditFixture sides;

  @BeforeEach
  void twoExperimentsOfFortyUsers() throws Exception {
    sides = AuditFixture.create(PLATFORM);
    sides.experiment(1, "'America/Los_Angeles'", "NULL", "NULL");
    sides.experiment(2, "NULL", "NULL", "NULL");
    sides.deliver(STATISTICS); // so that a cut lies between the experiments and what refers to them
    sides.sql(
        "INSERT INTO users (user_id, name, email, properties, is_active)"
            + " SELECT 'u' || i, E'N\\u00e4me ' || i, NULL, jsonb_build_object('country', 'DE', 'n', i * 0.10), i % 3 > 0"
            + " FROM generate_series(1, 40) i");
    sides.sql(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at, context)"
            + " SELECT e, 'u' || i, e * 10 + 1 + i % 2, '"
            + YESTERDAY
            + " 00:00Z'::timestamptz - interval '1 day', '{\"b\": [1, {\"a\": null}]}'"
            + " FROM generate_series(1, 40) i, generate_series(1, 2) e");
    sides.sql(
        "INSERT INTO events (\"timestamp\", experiment_id, user_id, variant_id, event_type, properties)"
            + " SELECT '"
            + YESTERDAY
            + " 00:00Z'::timestamptz + (i * 20 + k * 600) * interval '1.000001 minutes' - interval '1 day', e, 'u' || i,"
            + " e * 10 + 1 + i % 2, (ARRAY ['exposure', 'conversion', 'purchase'])[1 + k % 3],"
            + " CASE WHEN k % 3 = 2 THEN jsonb_build_object('revenue', i * 1.25) END"
            + " FROM generate_series(1, 40) i, generate_series(0, 4) k, generate_series(1, 2) e");
    sides.deliver(STATISTICS);
  }

  @AfterEach
  void close() throws Exception {
    if (delivery != null && delivery.isDone()) {
      delivery.get();
    }
    background.shutdownNow();
    background.awaitTermination(30, TimeUnit.SECONDS);
    sides.close();
  }

  @Test
  void equalSidesExitWithZero() throws Exception {
    atRest();

    Ran verify = verify();

    assertThat(verify.err()).isEmpty();
    assertThat(verify.exitCode()).isZero();
    assertThat(verify.out())
        .contains("EQUAL, after one fence")
        .containsPattern("users +all +40 +40 +equal")
        .containsPattern("statistics +2 experiments, \\d+ cells: equal");
  }

  @Test
  void aChangedRowIsNamed() throws Exception {
    String id =
        sides
            .clickHouse()
            .query(
                "SELECT event_id FROM events_processed WHERE user_id = 'u7' ORDER BY timestamp LIMIT 1");
    sides
        .clickHouse()
        .query(
            "ALTER TABLE events_processed UPDATE session_id = 'x' WHERE event_id = '"
                + id
                + "' SETTINGS mutations_sync = 1");
    atRest();

    AuditReport report = audit();

    assertThat(report.differences())
        .singleElement()
        .satisfies(
            difference -> {
              assertThat(difference.subject()).startsWith("event:" + id + "@");
              assertThat(difference.problem())
                  .isEqualTo("is different in ClickHouse: session_id is 1:x, in PostgreSQL -");
            });
    assertThat(report.fences()).isEqualTo(2);
  }

  @Test
  void aDroppedRowIsNamedAndSoAreTheFiguresItChanges() throws Exception {
    String event =
        sides
            .clickHouse()
            .query(
                "SELECT concat(event_id, '@', toString(toUnixTimestamp64Micro(timestamp))) FROM events_processed"
                    + " WHERE user_id = 'u8' AND event_type = 'purchase' AND experiment_id = 2");
    sides
        .clickHouse()
        .query("DELETE FROM events_processed WHERE event_id = '" + event.split("@", 2)[0] + "'");
    atRest();

    Ran verify = verify();

    assertThat(verify.exitCode()).isEqualTo(1);
    assertThat(verify.out())
        .contains("event:" + event + " is missing in ClickHouse")
        .containsPattern(
            "statistics: experiment 2, metric revenue, variant 21, .* differs: .*"
                + "value_sum stored ([\\d.]+), from ClickHouse's rows [\\d.]+, from PostgreSQL's rows \\1");
  }

  @Test
  void aDoubledRowIsNamed() throws Exception {
    sides.clickHouse().query("SYSTEM STOP MERGES " + sides.clickHouse().database() + ".users");
    sides.clickHouse().query("INSERT INTO users SELECT * FROM users WHERE user_id = 'u9'");
    atRest();

    AuditReport report = audit();

    assertThat(report.differences())
        .singleElement()
        .satisfies(
            difference -> {
              assertThat(difference.subject()).isEqualTo("user:u9");
              assertThat(difference.problem()).startsWith("is in ClickHouse 2 times");
            });
  }

  @Test
  void aMovedDailySumIsNamedWithItsThreeValues() throws Exception {
    sides
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE (value_sum + 0.000001 AS value_sum,"
                + " _version + 1 AS _version) FROM experiment_daily_stats FINAL WHERE experiment_id = 2"
                + " AND metric = 'revenue' AND variant_id = 21 AND value_sum > 0 ORDER BY day LIMIT 1");
    atRest();

    AuditReport report = audit();

    assertThat(report.differences()).hasSize(1);
    assertThat(report.differences().get(0).toString())
        .startsWith("statistics: experiment 2, metric revenue, variant 21, ")
        .matches(
            ".* differs: value_sum stored 37\\.500001, from ClickHouse's rows 37\\.5, from PostgreSQL's rows 37\\.5");
  }

  @Test
  void everyFigureAndTheKindAreCompared() throws Exception {
    String moved =
        StatisticsFigures.NAMES.stream()
            .map(name -> name + " + 1 AS " + name)
            .collect(Collectors.joining(", "));
    sides
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE ("
                + moved
                + ", 'ratio' AS kind, _version + 1 AS _version) FROM experiment_daily_stats FINAL"
                + " WHERE metric = 'revenue' ORDER BY experiment_id, variant_id, day LIMIT 1");
    atRest();

    List<AuditReport.Difference> differences = audit().differences();

    assertThat(differences).hasSize(2);
    assertThat(differences.stream().map(AuditReport.Difference::toString))
        .anyMatch(
            text -> text.endsWith("metric revenue differs: kind stored ratio, configured mean"))
        .anyMatch(
            text ->
                StatisticsFigures.NAMES.stream()
                    .allMatch(name -> text.contains(name + " stored ")));
  }

  @Test
  void aRowThatOnlyClickHouseHasIsNamed() throws Exception {
    sides
        .clickHouse()
        .query(
            "INSERT INTO assignments_processed SELECT * REPLACE (id + 1000 AS id, 'u99' AS user_id)"
                + " FROM (SELECT * FROM assignments_processed FINAL WHERE experiment_id = 1 AND user_id = 'u3')");
    sides
        .clickHouse()
        .query(
            "INSERT INTO variants SELECT * REPLACE (999 AS id) FROM (SELECT * FROM variants FINAL WHERE id = 11)");
    atRest();

    assertThat(audit().differences().stream().map(AuditReport.Difference::toString))
        .anySatisfy(
            line -> assertThat(line).endsWith("is in ClickHouse only").startsWith("assignments "))
        .anySatisfy(
            line -> assertThat(line).isEqualTo("variants: variant:999 is in ClickHouse only"));
  }

  @Test
  void anUpdateThatDidNotArriveAndADeleteThatDidNotAreNamed() throws Exception {
    sides.sql("UPDATE experiments SET name = 'renamed' WHERE id = 1");
    sides.sql("DELETE FROM users WHERE user_id = 'u12'");
    atRest();

    assertThat(audit().differences().stream().map(AuditReport.Difference::toString))
        .contains(
            "experiments: experiment:1 is different in ClickHouse: name is 12:Experiment 1, in PostgreSQL 7:renamed",
            "users: user:u12 is in ClickHouse only");
  }

  @Test
  void rowsRemovedByRetentionAreExceptedAndCounted() throws Exception {
    sides.experiment(3, "NULL", "NULL", "NULL");
    sides.user("old");
    sides.assignment(3, "old", 31, "hash", YESTERDAY.minusDays(400) + " 00:00Z", "NULL");
    sides.event(null, 3, "old", YESTERDAY.minusDays(200) + " 00:00Z", "exposure", 31L, null);
    sides.event(null, 3, "old", YESTERDAY.minusDays(200) + " 01:00Z", "conversion", 31L, null);
    sides.deliver(STATISTICS);
    sides.sql("CALL retention_delete()");
    sides.retain("events_processed", "assignments_processed");
    atRest();

    AuditReport report = audit();

    assertThat(report.differences()).isEmpty();
    assertThat(report.retainedExperiments()).containsExactly(3L);
    assertThat(report.lines())
        .filteredOn(line -> line.retained() > 0)
        .extracting(AuditReport.TableLine::table, AuditReport.TableLine::retained)
        .containsExactlyInAnyOrder(tuple("assignments", 1L), tuple("events", 2L));
  }

  @Test
  void statisticsThatOutliveTheirRowsAreNotRecomputed() {
    sides
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, exposures) VALUES (9, 91, 'revenue', '"
                + YESTERDAY.minusDays(800)
                + "', 5), (9, 91, 'revenue', '"
                + YESTERDAY.minusDays(700)
                + "', 5)");
    atRest();

    AuditReport report = audit();

    assertThat(report.differences()).isEmpty();
    assertThat(report.expiredExperiments()).containsExactly(9L);
  }

  @Test
  void anUndeliverableRowIsExceptedWhereItsFindingStands() throws Exception {
    sides.event(
        "00000000-0000-4000-8000-0000000000aa", 1, "u1", "infinity", "conversion", null, null);
    atRest();
    assertThat(audit().differences().stream().map(AuditReport.Difference::toString))
        .containsExactly(
            "events: event:00000000-0000-4000-8000-0000000000aa@9223372036854775807 is missing in ClickHouse");

    sides
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, dead_letter_since) VALUES ('S-UNPARSEABLE',"
                + " 'event', '00000000-0000-4000-8000-0000000000aa@9223372036854775807', 'ERROR', 'OPEN', now())");

    AuditReport report = audit();
    assertThat(report.differences()).isEmpty();
    assertThat(report.lines().stream().mapToLong(AuditReport.TableLine::flagged).sum())
        .isEqualTo(1);
  }

  @Test
  void itIsEqualWhileWritersWriteAndFindsTheOneRowThatIsLost() throws Exception {
    try (Connection connection = sides.postgres().connect()) {
      AtomicLong written = new AtomicLong();
      Future<?> writes =
          background.scheduleWithFixedDelay(
              () -> write(connection, written.incrementAndGet()), 0, 25, TimeUnit.MILLISECONDS);
      every(20, () -> sides.deliver(STATISTICS));

      AuditReport whole = audit();
      sides.lose("assignments_processed", "experiment_id = 2 AND user_id = 'u30'");
      AuditReport broken = audit();
      assertThat(writes.isDone()).as("writers wrote all the time").isFalse();
      writes.cancel(false);

      assertThat(whole.differences()).as(AuditFixture.printed(whole)).isEmpty();
      assertThat(broken.differences().stream().map(AuditReport.Difference::toString))
          .as(AuditFixture.printed(broken))
          .anySatisfy(
              line ->
                  assertThat(line).startsWith("assignments ").endsWith("is missing in ClickHouse"));
    }
  }

  /** Inserts, updates, moves and deletes. */
  private static void write(Connection connection, long number) {
    String user = "'u" + (1 + number % 29) + "'";
    try {
      AuditFixture.sql(
          connection,
          "INSERT INTO events (\"timestamp\", experiment_id, user_id, event_type, properties) VALUES (now(), "
              + (1 + number % 2)
              + ", "
              + user
              + ", 'purchase', '{\"revenue\": "
              + number
              + "}')");
      AuditFixture.sql(
          connection,
          "UPDATE users SET name = '" + number + "', updated_at = now() WHERE user_id = " + user);
      AuditFixture.sql(connection, "UPDATE experiments SET updated_at = now() WHERE id = 2");
      if (number % 10 == 0) {
        AuditFixture.sql(
            connection,
            "DELETE FROM events WHERE id = (SELECT id FROM events WHERE user_id = "
                + user
                + " LIMIT 1)");
        AuditFixture.sql(
            connection,
            "UPDATE assignments SET assigned_at = assigned_at + interval '7 hours' WHERE user_id = "
                + user);
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  private record Mutation(String table, String column, String value, String row, String named) {}

  @Test
  void whicheverColumnIsChangedByHandItIsNamed() throws Exception {
    for (int id = 101; id <= 112; id++) {
      sides.experiment(id, "NULL", "NULL", "NULL");
    }
    sides.deliver(STATISTICS);
    List<Mutation> mutations = new ArrayList<>();
    int n = 0;
    for (String set :
        List.of(
            "variant_id = 21000",
            "event_type = 'x'",
            "assignment_at = now64(6)",
            "properties = '{\"a\": 1}'",
            "session_id = 's'",
            "request_id = 'r'",
            "experiment_key = 'x'",
            "experiment_name = 'x'",
            "variant_key = 'x'",
            "variant_name = 'x'",
            "assigned_variant_id = 77",
            "assigned_variant_key = 'x'",
            "user_properties = '{}'",
            "day = day + 1",
            "inconsistencies = ['T-LATE']",
            "experiment_key = ''",
            "user_properties = NULL")) {
      String row = "user_id = 'u" + ++n + "' AND experiment_id = 2 AND event_type = 'conversion'";
      String id =
          sides
              .clickHouse()
              .query("SELECT min(event_id) FROM events_processed WHERE " + row)
              .strip();
      mutations.add(mutation("events_processed", set, "event_id = '" + id + "'", "event:" + id));
    }
    for (String set :
        List.of(
            "variant_id = 21000",
            "version = 9",
            "source = 'forced'",
            "context = '{}'",
            "assigned_at = now64(6)",
            "enrolled_at = now64(6)",
            "created_at = now64(6)",
            "updated_at = now64(6)",
            "experiment_key = 'x'",
            "experiment_name = 'x'",
            "variant_key = 'x'",
            "variant_name = 'x'",
            "user_properties = '{}'",
            "day = day - 1",
            "inconsistencies = ['A-OVERRIDE']")) {
      String row = "user_id = 'u" + ++n + "' AND experiment_id = 1";
      String id =
          sides.clickHouse().query("SELECT id FROM assignments_processed WHERE " + row).strip();
      mutations.add(mutation("assignments_processed", set, "id = " + id, "assignment:" + id + " "));
    }
    for (String set :
        List.of(
            "email = 'x'",
            "name = 'x'",
            "properties = '{}'",
            "is_active = NOT is_active",
            "created_at = now64(6)",
            "updated_at = now64(6)")) {
      String id = "u" + ++n;
      mutations.add(mutation("users", set, "user_id = '" + id + "'", "user:" + id + " "));
    }
    int id = 100;
    for (String set :
        List.of(
            "key = 'x'",
            "name = 'x'",
            "description = 'x'",
            "status = 'DRAFT'",
            "seed = 'x'",
            "version = 9",
            "config = '{}'",
            "starts_at = now64(6)",
            "ends_at = now64(6)",
            "created_at = now64(6)",
            "updated_at = now64(6)")) {
      mutations.add(mutation("experiments", set, "id = " + ++id, "experiment:" + id + " "));
    }
    id = 1000;
    for (String set :
        List.of(
            "experiment_id = 112",
            "key = 'x'",
            "name = 'x'",
            "description = 'x'",
            "allocation_pct = 9",
            "is_control = NOT is_control",
            "config = '{}'",
            "created_at = now64(6)",
            "updated_at = now64(6)")) {
      id += 10;
      mutations.add(mutation("variants", set, "id = " + (id + 1), "variant:" + (id + 1) + " "));
    }
    for (Mutation mutation : mutations) {
      sides
          .clickHouse()
          .query(
              "ALTER TABLE "
                  + mutation.table()
                  + " UPDATE "
                  + mutation.column()
                  + " = "
                  + mutation.value()
                  + " WHERE "
                  + mutation.row()
                  + " SETTINGS mutations_sync = 1");
    }
    atRest();

    List<String> lines =
        audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(mutations)
        .allSatisfy(
            mutation ->
                assertThat(lines)
                    .as("%s", mutation)
                    .anyMatch(
                        line ->
                            line.contains(mutation.named())
                                && line.contains(" " + mutation.column() + " is ")));
  }

  private static Mutation mutation(String table, String set, String row, String named) {
    String[] parts = set.split(" = ", 2);
    return new Mutation(table, parts[0], parts[1], row, named);
  }

  @Test
  void aLaterRenameIsNoDifferenceAndWhatCanNotBeToldIsCounted() throws Exception {
    sides.leaveJoinedColumns();
    sides
        .clickHouse()
        .query("SYSTEM STOP MERGES " + sides.clickHouse().database() + ".experiments");
    sides.sql("UPDATE experiments SET name = 'renamed', updated_at = now() WHERE id = 1");
    sides.sql("UPDATE users SET properties = '{}', updated_at = now() WHERE user_id = 'u5'");
    sides.deliver(STATISTICS);
    atRest();

    AuditReport told = audit();
    assertThat(told.differences()).as(AuditFixture.printed(told)).isEmpty();

    sides
        .clickHouse()
        .query("SYSTEM START MERGES " + sides.clickHouse().database() + ".experiments");
    sides.clickHouse().query("OPTIMIZE TABLE experiments FINAL");
    sides.clickHouse().query("OPTIMIZE TABLE users FINAL");
    AuditReport merged = audit();

    assertThat(merged.differences()).as(AuditFixture.printed(merged)).isEmpty();
    assertThat(AuditFixture.printed(merged))
        .contains(
            "not judged: 200 rows of events_processed in experiment_key, experiment_name, because the experiment was changed",
            "not judged: 10 rows of events_processed in user_properties, because the user was changed",
            "not judged: 40 rows of assignments_processed in experiment_key, experiment_name");
  }

  @Test
  void aRowOfJustBehindARenameThatNoVersionTellsOfMayHaveEitherName() throws Exception {
    sides.leaveJoinedColumns();
    sides.sql("UPDATE experiments SET name = 'renamed' WHERE id = 1");
    sides.event(null, 1, "u1", YESTERDAY + " 10:00Z", "page_view", null, null);
    sides.deliver(STATISTICS);
    sides
        .clickHouse()
        .query(
            "ALTER TABLE events_processed UPDATE experiment_name = 'Experiment 1'"
                + " WHERE event_type = 'page_view' SETTINGS mutations_sync = 1");
    sides.clickHouse().query("OPTIMIZE TABLE experiments FINAL");
    atRest();

    AuditReport report = audit();

    assertThat(report.differences()).as(AuditFixture.printed(report)).isEmpty();
    assertThat(AuditFixture.printed(report))
        .contains(
            "not judged: 201 rows of events_processed in experiment_key, experiment_name, because the experiment was changed");
  }

  @Test
  void aReferenceThatCameLateButCorrectedNothingIsNamed() throws Exception {
    sides.event(null, 4, "u1", YESTERDAY + " 10:00Z", "exposure", null, null);
    sides.deliver(STATISTICS);
    sides.experiment(4, "'America/Los_Angeles'", "NULL", "NULL");
    sides.assignment(4, "u1", 41, "hash", YESTERDAY + " 00:00Z", "NULL");
    sides.withhold("events_processed");
    sides.deliver(STATISTICS);
    atRest();

    assertThat(audit().differences().stream().map(AuditReport.Difference::toString))
        .anyMatch(
            line ->
                line.startsWith("events_processed " + YESTERDAY)
                    && line.contains("experiment_key is empty and should be e4")
                    && line.contains("assigned_variant_id is empty and should be 41"));
  }

  @Test
  void rowsThatWereLoadedTwiceAreNamedAndACorrectionIsNone() throws Exception {
    sides
        .clickHouse()
        .query("SYSTEM STOP MERGES " + sides.clickHouse().database() + ".events_processed");
    sides
        .clickHouse()
        .query(
            "INSERT INTO events_processed SELECT * REPLACE (_version + 1 AS _version)"
                + " FROM events_processed WHERE user_id = 'u6'");
    sides
        .clickHouse()
        .query(
            "INSERT INTO events_processed SELECT * REPLACE (_version + 1 AS _version, 0 AS _lsn)"
                + " FROM events_processed WHERE user_id = 'u7'");
    String second =
        sides.clickHouse().query("SELECT min(event_id) FROM events_processed WHERE user_id = 'u7'");
    atRest();

    AuditReport report = audit();

    assertThat(report.differences())
        .hasSize(10)
        .allSatisfy(
            difference ->
                assertThat(difference.problem())
                    .startsWith("is in ClickHouse in 2 versions although nothing changed it"))
        .anySatisfy(
            difference ->
                assertThat(difference.subject()).startsWith("event:" + second.strip() + "@"));
  }

  @Test
  void everyFigureOfHealthThatIsChangedByHandIsNamed() throws Exception {
    sides.experiment(3, "NULL", "NULL", "NULL");
    for (int day = 2; day <= 4; day++) {
      sides.user("v" + day);
      sides.assignment(3, "v" + day, 31, "hash", YESTERDAY.minusDays(day) + " 00:00Z", "NULL");
    }
    sides.deliver(STATISTICS);
    String[] changes = {
      "exposures = exposures + 1",
      "crossover_users = crossover_users + 1",
      "assigned_users = arrayMap(n -> n + 1, assigned_users)",
      "exposed_users = arrayMap(n -> n + 1, exposed_users)",
      "srm_p = srm_p / 2",
      "weights = [90, 10]",
    };
    List<String> days = new ArrayList<>();
    for (String change : changes) {
      String row =
          sides
              .clickHouse()
              .query(
                  "SELECT experiment_id, day FROM experiment_health_daily FINAL ORDER BY day, experiment_id LIMIT 1 OFFSET "
                      + days.size())
              .strip();
      days.add("health: experiment " + row.replace("\t", ", "));
      sides
          .clickHouse()
          .query(
              "ALTER TABLE experiment_health_daily UPDATE "
                  + change
                  + " WHERE (toString(experiment_id), toString(day)) = ('"
                  + row.replace("\t", "', '")
                  + "') SETTINGS mutations_sync = 1");
    }
    atRest();

    List<String> lines =
        audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(lines).hasSameSizeAs(days);
    assertThat(days).allSatisfy(day -> assertThat(lines).anyMatch(line -> line.startsWith(day)));
    assertThat(lines)
        .anyMatch(line -> line.contains("1=90, ") && line.contains("2=10} and should be {"))
        .anyMatch(line -> line.contains("srm_chi_square, srm_df, srm_p are "));
  }

  @Test
  void findingsThatAreMissingAndFindingsThatShouldNotBeOpenAreNamed() throws Exception {
    String missing = "00000000-0000-4000-8000-000000000001";
    String closed = "00000000-0000-4000-8000-000000000002";
    String clean = "00000000-0000-4000-8000-000000000003";
    sides.event(missing, 1, "u1", YESTERDAY + " 10:00Z", "exposure", null, null);
    sides.event(closed, 1, "u2", YESTERDAY + " 10:00Z", "exposure", null, null);
    sides.event(clean, 1, "u3", YESTERDAY + " 10:00Z", "exposure", 12L, null);
    sides.event(null, 1, "u5", YESTERDAY + " 10:00Z", "exposure", 11L, null);
    sides.deliver(STATISTICS);
    sides.clickHouse().query("DELETE FROM data_inconsistencies WHERE event_id = '" + missing + "'");
    sides
        .clickHouse()
        .query(
            "ALTER TABLE data_inconsistencies UPDATE status = 'RESOLVED' WHERE event_id = '"
                + closed
                + "' SETTINGS mutations_sync = 1");
    String at = "@" + YESTERDAY.atTime(10, 0).toEpochSecond(ZoneOffset.UTC) + "000000";
    sides
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id, event_timestamp, _version) VALUES"
                + " ('R-VARIANT-MISMATCH', 'event', '"
                + clean
                + at
                + "', 'OPEN', 1, 'u3', '"
                + clean
                + "', '"
                + YESTERDAY
                + " 10:00:00', 1000000000000),"
                + " ('S-BAD-PROPERTY', 'event', '00000000-0000-4000-8000-00000000000f"
                + at
                + "', 'OPEN', 1, 'u3', '00000000-0000-4000-8000-00000000000f', '"
                + YESTERDAY
                + " 10:00:00', 1000000000000)");
    sides
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id, _version) VALUES"
                + " ('A-CROSSOVER', 'experiment-user', '1/u8', 'OPEN', 1, 'u8', NULL, 1000000000000),"
                + " ('A-OVERRIDE', 'assignment', '3', 'OPEN', 1, 'u8', NULL, 1000000000000),"
                + " ('R-ORPHAN-EXPERIMENT', 'experiment', '1', 'OPEN', 1, NULL, NULL, 1000000000000),"
                + " ('R-ORPHAN-VARIANT', 'variant', '11', 'OPEN', 1, NULL, NULL, 1000000000000),"
                + " ('R-ORPHAN-USER', 'user', 'u8', 'OPEN', 1, 'u8', NULL, 1000000000000),"
                + " ('R-ORPHAN-ASSIGNMENT', 'experiment-user', '1/u8', 'OPEN', 1, 'u8', NULL, 1000000000000),"
                + " ('H-SRM', 'experiment', '1', 'OPEN', 1, NULL, NULL, 1000000000000)");
    atRest();

    List<String> lines =
        audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(lines)
        .hasSize(12)
        .anyMatch(l -> l.contains("R-VARIANT-NULL event:" + missing + at + " is not open"))
        .anyMatch(l -> l.contains("R-VARIANT-NULL event:" + closed + at + " is not open"))
        .anyMatch(l -> l.contains("A-CROSSOVER experiment-user:1/u5 is not open"))
        .anyMatch(l -> l.contains("R-VARIANT-MISMATCH event:" + clean + at + " is open"))
        .anyMatch(l -> l.contains("S-BAD-PROPERTY event:00000000-0000-4000-8000-00000000000f"))
        .anyMatch(l -> l.contains("A-CROSSOVER experiment-user:1/u8 is open"))
        .anyMatch(l -> l.contains("A-OVERRIDE assignment:3 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-EXPERIMENT experiment:1 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-VARIANT variant:11 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-USER user:u8 is open"))
        .anyMatch(l -> l.contains("R-ORPHAN-ASSIGNMENT experiment-user:1/u8 is open"))
        .anyMatch(l -> l.contains("H-SRM experiment:1 is open"));
  }

  /** Its user was erased and came again, and so did the event. */
  @Test
  void aFindingOfWhatAnEventWasBeforeItCameAgainIsNotHeldAgainstIt() throws Exception {
    String again = "00000000-0000-4000-8000-000000000003";
    sides.event(again, 1, "u3", YESTERDAY + " 10:00Z", "exposure", 12L, null);
    sides.deliver(STATISTICS);
    sides
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id, event_timestamp, _version)"
                + " SELECT 'R-VARIANT-MISMATCH', 'event', concat(event_id, '@', toString(toUnixTimestamp64Micro(timestamp))),"
                + " 'OPEN', 1, 'u3', event_id, timestamp, _version - 1024 FROM events_processed WHERE event_id = '"
                + again
                + "'");
    atRest();
    assertThat(audit().differences()).isEmpty();
  }

  @Test
  void findingsOfAnExperimentAsAWholeAreHeldAgainstItsRows() throws Exception {
    sides.sql("UPDATE variants SET is_control = false, allocation_pct = 40 WHERE id = 11");
    sides.event(null, 1, "u5", YESTERDAY + " 10:00Z", "exposure", 11L, null);
    sides.deliver(STATISTICS);
    sides
        .clickHouse()
        .query(
            "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, status, experiment_id, user_id, event_id) VALUES"
                + " ('H-CROSSOVER-RATE', 'experiment', '1', 'OPEN', 1, NULL, NULL),"
                + " ('H-MISSING-VARIANT', 'experiment-variant', '1/12', 'OPEN', 1, NULL, NULL),"
                + " ('H-NO-EXPOSURES', 'experiment', '1', 'OPEN', 1, NULL, NULL),"
                + " ('H-METRIC-MISSING', 'experiment-metric', '1/conversion', 'OPEN', 1, NULL, NULL),"
                + " ('H-OUTLIER', 'experiment-metric', '1/revenue', 'OPEN', 1, NULL, NULL),"
                + " ('H-VOLUME', 'experiment', '1', 'OPEN', 1, NULL, NULL),"
                + " ('R-MULTI-CONTROL', 'experiment', '1', 'OPEN', 1, NULL, NULL)");
    atRest();

    List<String> lines =
        audit().differences().stream().map(AuditReport.Difference::toString).toList();

    assertThat(lines)
        .hasSize(10)
        .as("one crossover is too few for a rate")
        .anyMatch(l -> l.contains("A-CROSSOVER experiment-user:1/u5 is not open"))
        .anyMatch(l -> l.contains("R-NO-CONTROL experiment:1 is not open"))
        .anyMatch(l -> l.contains("R-ALLOCATION-SUM experiment:1 is not open"))
        .anyMatch(l -> l.contains("H-CROSSOVER-RATE experiment:1 is open"))
        .anyMatch(l -> l.contains("H-MISSING-VARIANT experiment-variant:1/12 is open"))
        .anyMatch(l -> l.contains("H-NO-EXPOSURES experiment:1 is open"))
        .anyMatch(l -> l.contains("H-METRIC-MISSING experiment-metric:1/conversion is open"))
        .anyMatch(l -> l.contains("H-OUTLIER experiment-metric:1/revenue is open"))
        .anyMatch(l -> l.contains("H-VOLUME experiment:1 is open"))
        .anyMatch(l -> l.contains("R-MULTI-CONTROL experiment:1 is open"));
  }

  @Test
  void theVerdictIsRecordedAsFindingsThatResolveWhenTheTablesAreEqualAgain() throws Exception {
    sides.user("nobody");
    sides.deliver(STATISTICS);
    String users = "SELECT * FROM users FINAL WHERE user_id = 'nobody'";
    String cell =
        " FROM experiment_daily_stats FINAL WHERE experiment_id = 2 AND metric = 'revenue' AND variant_id = 21"
            + " AND value_sum > 1 ORDER BY day LIMIT 1";
    String before =
        sides.clickHouse().query("SELECT count(), max(_version) FROM data_inconsistencies");
    sides.clickHouse().query("CREATE TABLE kept ENGINE = Memory AS " + users);
    sides.lose("users", "user_id = 'nobody'");
    sides
        .clickHouse()
        .query(
            "ALTER TABLE users UPDATE name = 'x' WHERE user_id = 'u10' SETTINGS mutations_sync = 1");
    sides
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE (value_sum + 1 AS value_sum, _version + 1 AS _version)"
                + cell);
    sides
        .clickHouse()
        .query(
            "ALTER TABLE experiment_health_daily UPDATE exposures = exposures + 1 WHERE experiment_id = 1"
                + " SETTINGS mutations_sync = 1");
    atRest();

    assertThat(verify().exitCode()).isEqualTo(1);
    assertThat(sides.clickHouse().query("SELECT count(), max(_version) FROM data_inconsistencies"))
        .as("without --record nothing is written")
        .isEqualTo(before);

    Ran different = verify("--record");
    assertThat(different.exitCode()).isEqualTo(1);
    assertThat(different.out()).contains("recorded: X-COUNT-MISMATCH table:users OPEN: ");
    assertThat(recorded("status, detail"))
        .hasSize(4)
        .anyMatch(
            line ->
                line.matches(
                    "X-AGG-MISMATCH table:experiment_daily_stats OPEN rows that differ: 1; the first: experiment 2,"
                        + " metric revenue, variant 21, .* differs: value_sum stored .*"))
        .anyMatch(
            line ->
                line.matches(
                    "X-AGG-MISMATCH table:experiment_health_daily OPEN rows that differ: \\d+; the first: experiment 1, .*"))
        .contains(
            "X-CHECKSUM-MISMATCH table:users OPEN rows that differ: 1",
            "X-COUNT-MISMATCH table:users OPEN rows missing: 1; in ClickHouse only: 0; more than once: 0");
    assertThat(recorded("severity, remedy, ifNull(experiment_id, 0), user_id IS NULL, _lsn > 0"))
        .allMatch(line -> line.matches(".* ERROR \\./etl verify lists the rows, .* 0 1 1"));
    assertThat(
            sides
                .clickHouse()
                .query(
                    "SELECT arraySort(groupArray(code)) FROM findings_open WHERE code LIKE 'X-%'"))
        .isEqualTo("['X-AGG-MISMATCH','X-AGG-MISMATCH','X-CHECKSUM-MISMATCH','X-COUNT-MISMATCH']");
    assertThat(verify("--record").out())
        .contains("DIFFERENT")
        .doesNotContain("recorded: ")
        .doesNotContain("X-");

    sides.clickHouse().query("INSERT INTO users SELECT * FROM kept");
    sides
        .clickHouse()
        .query(
            "ALTER TABLE users UPDATE name = 'Näme 10' WHERE user_id = 'u10' SETTINGS mutations_sync = 1");
    sides
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE (value_sum - 1 AS value_sum, _version + 1 AS _version)"
                + cell);
    sides
        .clickHouse()
        .query(
            "ALTER TABLE experiment_health_daily UPDATE exposures = exposures - 1 WHERE experiment_id = 1"
                + " SETTINGS mutations_sync = 1");
    Ran equal = verify("--record");
    assertThat(equal.out()).contains("EQUAL", "recorded: X-COUNT-MISMATCH table:users RESOLVED: ");
    assertThat(equal.exitCode()).isZero();
    assertThat(recorded("status"))
        .containsExactly(
            "X-AGG-MISMATCH table:experiment_daily_stats RESOLVED",
            "X-AGG-MISMATCH table:experiment_health_daily RESOLVED",
            "X-CHECKSUM-MISMATCH table:users RESOLVED",
            "X-COUNT-MISMATCH table:users RESOLVED");

    sides.clickHouse().query("OPTIMIZE TABLE data_inconsistencies FINAL");
    String rows = "SELECT count(), max(_version) FROM data_inconsistencies";
    String after = sides.clickHouse().query(rows);
    Ran again = verify("--record");
    assertThat(again.exitCode()).isZero();
    assertThat(again.out()).doesNotContain("recorded: ");
    assertThat(sides.clickHouse().query(rows)).isEqualTo(after);
  }

  private List<String> recorded(String columns) {
    return sides
        .clickHouse()
        .query(
            "SELECT code, subject, "
                + columns
                + " FROM data_inconsistencies FINAL WHERE startsWith(code, 'X-') AND startsWith(_batch_id, 'audit-')"
                + " ORDER BY code, subject FORMAT TSVRaw")
        .lines()
        .map(line -> line.replace('\t', ' '))
        .toList();
  }

  @Test
  void aVerdictThatCanNotBeRecordedIsPrintedAllTheSame() throws Exception {
    sides.clickHouse().query("ALTER TABLE data_inconsistencies MODIFY SETTING table_readonly = 1");
    sides.lose("users", "user_id = 'u9'");
    atRest();

    assertThat(verify().exitCode()).isEqualTo(1);
    Ran recording = verify("--record");

    assertThat(recording.exitCode()).isEqualTo(2);
    assertThat(recording.out()).contains("users: user:u9 is missing in ClickHouse");
    assertThat(recording.err())
        .contains(
            "GRANT INSERT ON " + sides.clickHouse().database() + ".data_inconsistencies TO ",
            "or leave out --record")
        .doesNotContain("\tat ");
  }

  @Test
  void commandWithoutAddressesNamesTheMissingOptions() {
    StringWriter err = new StringWriter();

    int exitCode =
        new CommandLine(new VerifyCommand(new NamedServers()))
            .setErr(new PrintWriter(err))
            .execute();

    assertThat(exitCode).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("Nothing names the PostgreSQL")
        .contains("--config", "--postgres-url");
  }

  @Test
  void serversThatDoNotAnswerAreNamedWithHostAndPort() throws Exception {
    Ran source = verify("--postgres-url", "jdbc:postgresql://127.0.0.1:1/experiments");
    assertThat(source.exitCode()).isEqualTo(2);
    assertThat(source.err()).contains("127.0.0.1:1", "start it").doesNotContain("\tat ");

    Ran target = verify("--clickhouse-url", "http://127.0.0.1:1");
    assertThat(target.exitCode()).isEqualTo(2);
    assertThat(target.err()).contains("127.0.0.1:1", "start it").doesNotContain("\tat ");

    Ran wrong = verify("--clickhouse-url", "not an address");
    assertThat(wrong.exitCode()).isEqualTo(2);
    assertThat(wrong.err()).contains("--clickhouse-url").doesNotContain("\tat ");
  }

  @Test
  void aJobThatDoesNotReachTheFenceExitsWithTwo() throws Exception {
    Ran verify = verify("--deadline", "2");

    assertThat(verify.exitCode()).isEqualTo(2);
    assertThat(verify.err())
        .startsWith("ClickHouse shows the source up to LSN ")
        .contains("see in the Flink web UI that the job runs");
  }

  @Test
  void anEmptyWarehouseExitsWithTwo() throws Exception {
    sides.clickHouse().query("TRUNCATE TABLE etl_sink_progress");

    Ran verify = verify("--deadline", "2");

    assertThat(verify.exitCode()).isEqualTo(2);
    assertThat(verify.err()).contains("No checkpoint of the job is visible in ClickHouse");
  }

  @Test
  void aWrongPasswordExitsWithTwoAndIsNotPrinted() throws Exception {
    Path wrong = Files.writeString(PLATFORM.directory().resolve("wrong-password"), "sesame\n");

    Ran source = verify("--postgres-password-file", wrong.toString());
    assertThat(source.exitCode()).isEqualTo(2);
    assertThat(source.err())
        .contains("EXPERIMENT_ETL_SOURCE_PASSWORD or --postgres-password-file")
        .doesNotContain("sesame");

    Ran target = verify("--clickhouse-password-file", wrong.toString());
    assertThat(target.exitCode()).isEqualTo(2);
    assertThat(target.err())
        .contains("EXPERIMENT_ETL_CLICKHOUSE_PASSWORD or --clickhouse-password-file")
        .doesNotContain("sesame");
  }

  /** From now on nothing is delivered, and all is said to be. */
  private void atRest() {
    every(50, sides::marker);
  }

  private interface Step {
    void run() throws SQLException;
  }

  private void every(int millis, Step step) {
    delivery =
        background.scheduleWithFixedDelay(
            () -> {
              try {
                step.run();
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              }
            },
            0,
            millis,
            TimeUnit.MILLISECONDS);
  }

  private AuditReport audit() {
    return new Audit(sides.settings(STATISTICS)).run();
  }

  private record Ran(int exitCode, String out, String err) {}

  private Ran verify(String... options) throws Exception {
    AuditSettings settings = sides.settings(STATISTICS);
    Path postgresPassword =
        Files.writeString(
            PLATFORM.directory().resolve("postgres-password"), sides.postgres().password());
    Path clickHousePassword =
        Files.writeString(
            PLATFORM.directory().resolve("clickhouse-password"), sides.clickHouse().password());
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--postgres-url", settings.postgresUrl(),
                "--postgres-user", settings.postgresUser(),
                "--postgres-password-file", postgresPassword.toString(),
                "--clickhouse-url", sides.clickHouse().url(),
                "--clickhouse-database", sides.clickHouse().database(),
                "--clickhouse-user", sides.clickHouse().user(),
                "--clickhouse-password-file", clickHousePassword.toString()));
    arguments.addAll(List.of(options));
    int exitCode =
        new CommandLine(new VerifyCommand(new NamedServers()))
            .setOverwrittenOptionsAllowed(true)
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err))
            .execute(arguments.toArray(String[]::new));
    return new Ran(exitCode, out.toString(), err.toString());
  }
}
