package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.VerifyCommand;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import picocli.CommandLine;

/** The command line: exit codes, messages, and the recorded verdict. */
class VerifyCommandIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final String CELL =
      " FROM experiment_daily_stats FINAL WHERE experiment_id = 2 AND metric = 'revenue' AND variant_id = 21"
          + " AND value_sum > 1 ORDER BY day LIMIT 1";

  private AuditRun run;
  private AuditFixture fixture;

  @BeforeEach
  void twoExperimentsOfFortyUsers() throws Exception {
    run = AuditRun.create(PLATFORM);
    fixture = run.fixture();
  }

  @AfterEach
  void close() throws Exception {
    run.close();
  }

  @Test
  void recordedVerdictResolvesWhenTablesAreEqualAgain() throws Exception {
    fixture.user("nobody");
    fixture.delivery().deliver(AuditRun.STATISTICS);
    String before =
        fixture.clickHouse().query("SELECT count(), max(_version) FROM data_inconsistencies");
    breakTwoUsersAndTwoFigures();
    run.rest();

    assertThat(run.verify().exitCode()).isEqualTo(1);
    assertThat(
            fixture.clickHouse().query("SELECT count(), max(_version) FROM data_inconsistencies"))
        .as("without --record nothing is written")
        .isEqualTo(before);

    AuditRun.Verified different = run.verify("--record");
    assertThat(different.exitCode()).isEqualTo(1);
    assertThat(different.out()).contains("recorded: X-COUNT-MISMATCH table:users OPEN: ");
    assertFourFindingsAreOpen();
    assertThat(run.verify("--record").out())
        .contains("DIFFERENT")
        .doesNotContain("recorded: ")
        .doesNotContain("X-");

    repairThem();
    AuditRun.Verified equal = run.verify("--record");
    assertThat(equal.out()).contains("EQUAL", "recorded: X-COUNT-MISMATCH table:users RESOLVED: ");
    assertThat(equal.exitCode()).isZero();
    assertThat(recorded("status"))
        .containsExactly(
            "X-AGG-MISMATCH table:experiment_daily_stats RESOLVED",
            "X-AGG-MISMATCH table:experiment_health_daily RESOLVED",
            "X-CHECKSUM-MISMATCH table:users RESOLVED",
            "X-COUNT-MISMATCH table:users RESOLVED");

    fixture.clickHouse().query("OPTIMIZE TABLE data_inconsistencies FINAL");
    String rows = "SELECT count(), max(_version) FROM data_inconsistencies";
    String after = fixture.clickHouse().query(rows);
    AuditRun.Verified again = run.verify("--record");
    assertThat(again.exitCode()).isZero();
    assertThat(again.out()).doesNotContain("recorded: ");
    assertThat(fixture.clickHouse().query(rows)).isEqualTo(after);
    assertThat(
            fixture
                .clickHouse()
                .query(
                    "SELECT verdict, differences > 0, lsn > 0 FROM etl_audits ORDER BY audited_at FORMAT TSV")
                .lines())
        .as("every recorded audit, also an equal one after another")
        .containsExactly("DIFFERENT\t1\t1", "DIFFERENT\t1\t1", "EQUAL\t0\t1", "EQUAL\t0\t1");
  }

  @Test
  void weeklyTaskRecordsTheVerdictOnceForEachDueTime() throws Exception {
    fixture.user("nobody");
    fixture.delivery().deliver(AuditRun.STATISTICS);
    breakTwoUsersAndTwoFigures();
    run.rest();

    AuditRun.Verified weekly = run.maintain("weekly");
    assertThat(weekly.exitCode()).as(weekly.err()).isEqualTo(1);
    assertThat(weekly.out()).contains("FAILED: ", " differences, see verify");
    assertThat(recorded("status")).hasSize(4);
    AuditRun.Verified again = run.maintain("weekly");
    assertThat(again.exitCode()).isZero();
    assertThat(again.out()).contains("not run: another scheduler has run it");
    assertThat(run.maintain("hourly").exitCode()).isEqualTo(1);
  }

  private void breakTwoUsersAndTwoFigures() {
    fixture
        .clickHouse()
        .query(
            "CREATE TABLE kept ENGINE = Memory AS SELECT * FROM users FINAL WHERE user_id = 'nobody'");
    fixture.delivery().lose("users", "user_id = 'nobody'");
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE users UPDATE name = 'x' WHERE user_id = 'u10' SETTINGS mutations_sync = 1");
    fixture
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE (value_sum + 1 AS value_sum, _version + 1 AS _version)"
                + CELL);
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE experiment_health_daily UPDATE exposures = exposures + 1 WHERE experiment_id = 1"
                + " SETTINGS mutations_sync = 1");
  }

  private void assertFourFindingsAreOpen() {
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
            fixture
                .clickHouse()
                .query(
                    "SELECT arraySort(groupArray(code)) FROM findings_open WHERE code LIKE 'X-%'"))
        .isEqualTo("['X-AGG-MISMATCH','X-AGG-MISMATCH','X-CHECKSUM-MISMATCH','X-COUNT-MISMATCH']");
  }

  private void repairThem() {
    fixture.clickHouse().query("INSERT INTO users SELECT * FROM kept");
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE users UPDATE name = 'Näme 10' WHERE user_id = 'u10' SETTINGS mutations_sync = 1");
    fixture
        .clickHouse()
        .query(
            "INSERT INTO experiment_daily_stats SELECT * REPLACE (value_sum - 1 AS value_sum, _version + 1 AS _version)"
                + CELL);
    fixture
        .clickHouse()
        .query(
            "ALTER TABLE experiment_health_daily UPDATE exposures = exposures - 1 WHERE experiment_id = 1"
                + " SETTINGS mutations_sync = 1");
  }

  private List<String> recorded(String columns) {
    return fixture
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
  void verdictThatCannotBeRecordedIsStillPrinted() throws Exception {
    fixture
        .clickHouse()
        .query("ALTER TABLE data_inconsistencies MODIFY SETTING table_readonly = 1");
    fixture.delivery().lose("users", "user_id = 'u9'");
    run.rest();

    assertThat(run.verify().exitCode()).isEqualTo(1);
    AuditRun.Verified recording = run.verify("--record");

    assertThat(recording.exitCode()).isEqualTo(2);
    assertThat(recording.out()).contains("users: user:u9 is missing in ClickHouse");
    assertThat(recording.err())
        .contains(
            "GRANT INSERT ON " + fixture.clickHouse().database() + ".data_inconsistencies TO ",
            "or leave out --record")
        .doesNotContain("\tat ");
  }

  @Test
  void unreachableServersAreNamedWithHostAndPort() throws Exception {
    AuditRun.Verified source =
        run.verify("--postgres-url", "jdbc:postgresql://127.0.0.1:1/experiments");
    assertThat(source.exitCode()).isEqualTo(2);
    assertThat(source.err()).contains("127.0.0.1:1", "start it").doesNotContain("\tat ");

    AuditRun.Verified target = run.verify("--clickhouse-url", "http://127.0.0.1:1");
    assertThat(target.exitCode()).isEqualTo(2);
    assertThat(target.err()).contains("127.0.0.1:1", "start it").doesNotContain("\tat ");

    AuditRun.Verified wrong = run.verify("--clickhouse-url", "not an address");
    assertThat(wrong.exitCode()).isEqualTo(2);
    assertThat(wrong.err()).contains("--clickhouse-url").doesNotContain("\tat ");
  }

  @Test
  void jobThatDoesNotReachTheFenceExitsWithTwo() throws Exception {
    AuditRun.Verified verify = run.verify("--deadline", "2");

    assertThat(verify.exitCode()).isEqualTo(2);
    assertThat(verify.err())
        .startsWith("ClickHouse shows the source up to LSN ")
        .contains("see in the Flink web UI that the job runs");
  }

  @Test
  void emptyWarehouseExitsWithTwo() throws Exception {
    fixture.clickHouse().query("TRUNCATE TABLE etl_sink_progress");

    AuditRun.Verified verify = run.verify("--deadline", "2");

    assertThat(verify.exitCode()).isEqualTo(2);
    assertThat(verify.err()).contains("No checkpoint of the job is visible in ClickHouse");
  }

  @Test
  void wrongPasswordExitsWithTwoAndIsNotPrinted() throws Exception {
    Path wrong = Files.writeString(PLATFORM.directory().resolve("wrong-password"), "sesame\n");

    AuditRun.Verified source = run.verify("--postgres-password-file", wrong.toString());
    assertThat(source.exitCode()).isEqualTo(2);
    assertThat(source.err())
        .contains("EXPERIMENT_ETL_SOURCE_PASSWORD or --postgres-password-file")
        .doesNotContain("sesame");

    AuditRun.Verified target = run.verify("--clickhouse-password-file", wrong.toString());
    assertThat(target.exitCode()).isEqualTo(2);
    assertThat(target.err())
        .contains("EXPERIMENT_ETL_CLICKHOUSE_PASSWORD or --clickhouse-password-file")
        .doesNotContain("sesame");
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
}
