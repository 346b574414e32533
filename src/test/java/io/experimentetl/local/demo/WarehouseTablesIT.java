package io.experimentetl.local.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.traffic.UdacityData;
import io.experimentetl.local.traffic.UdacityData.GoldenDay;
import io.experimentetl.operations.SqlFiles;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WarehouseTablesIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint clickHouse;
  private WarehouseTables warehouse;

  @BeforeEach
  void tables() {
    clickHouse = PLATFORM.newClickHouseDatabase("warehouse");
    new SqlFiles(Path.of("sql")).applyTo(clickHouse.login(), false);
    warehouse = new WarehouseTables(clickHouse.login());
  }

  @Test
  void doubledRowIsCountedAlthoughFinalHidesIt() {
    warehouse.keepEveryPart();
    // Equal blocks would be recognised and dropped.
    for (int i = 0; i < 3; i++) {
      clickHouse.query(
          "INSERT INTO users (user_id, name, _version) VALUES ('u', '%d', 1), ('v', '', 1)"
              .formatted(i));
    }
    clickHouse.query("INSERT INTO users (user_id, _version) VALUES ('v', 2)");
    assertThat(warehouse.count("SELECT count() FROM users FINAL")).isEqualTo(2);
    assertThat(warehouse.doubled())
        .filteredOn(table -> table.table().equals("users"))
        .containsExactly(new WarehouseTables.Doubled("users", 7, 4));
  }

  private void marker(long lsn) {
    clickHouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done)"
            + " VALUES (7, %d, '2026-05-17 12:00:00', true)".formatted(lsn));
  }

  @Test
  void screenShowsStatisticsFindingsAndLag() {
    clickHouse.query("INSERT INTO experiments (id, key) VALUES (1, 'checkout')");
    clickHouse.query("INSERT INTO variants (id, experiment_id, key) VALUES (11, 1, 'control')");
    clickHouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, exposures, active_users,"
            + " converting_users, new_users, new_converters, value_sum) VALUES"
            + " (1, 11, 'conversion', today(), 9, 8, 2, 4, 1, 0), (1, 11, 'revenue', today(), 9, 8, 2, 4, 1, 12.5),"
            + " (1, 11, 'conversion', today() - 9, 1, 1, 1, 4, 1, 0), (1, 11, 'conversion', today() + 9, 1, 1, 1, 0, 0, 0)");
    clickHouse.query(
        "INSERT INTO data_inconsistencies (code, subject_key, severity, status) VALUES"
            + " ('T-LATE', 'a', 'INFO', 'OPEN'), ('T-LATE', 'b', 'INFO', 'OPEN'), ('H-SRM', 'c', 'ERROR', 'RESOLVED')");
    marker(5);
    String screen =
        new LiveTable(warehouse)
            .render("addresses", 12_345, Instant.parse("2026-05-17T12:00:03.5Z"), false);
    assertThat(screen)
        .startsWith("addresses")
        .contains("events written 12,345   rows visible 0   lag 3.5 s")
        .containsPattern("checkout +control +\\S+ +9 +8 +2 +12.5 +8 +25")
        .containsPattern("T-LATE +INFO +2")
        .satisfies(text -> assertThat(text.lines()).allMatch(line -> line.length() <= 80))
        .doesNotContain("H-SRM")
        .doesNotContain("\033");
  }

  @Test
  void knownAnswerIsComparedCellByCell() {
    Path folder =
        Path.of(System.getenv().getOrDefault("EXPERIMENT_ETL_UDACITY", "../shared/data/udacity"));
    assumeTrue(
        Files.isDirectory(folder),
        "no folder " + folder + ": name the Udacity set's by EXPERIMENT_ETL_UDACITY");
    UdacityData data = UdacityData.read(folder);
    List<GoldenDay> days = data.golden();
    clickHouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, exposures, active_users, new_users,"
            + " events, converting_users, new_converters) VALUES "
            + days.stream()
                .map(
                    d ->
                        "(1, %d, 'conversion', '%s', %d, %d, %d, %d, %d, %d)"
                            .formatted(
                                d.variant(),
                                d.day(),
                                d.exposures(),
                                d.users(),
                                d.newUsers(),
                                d.conversions(),
                                d.converters(),
                                d.newConverters()))
                .collect(Collectors.joining(", ")));
    StringWriter text = new StringWriter();
    Report equal = new Report(new PrintWriter(text));
    new UdacityAnswer(data, warehouse).golden(equal);
    assertThat(equal.isGood()).as(text.toString()).isTrue();
    assertThat(text.toString()).containsPattern("368  368  ok");

    GoldenDay last = days.get(days.size() - 1);
    clickHouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, exposures, active_users, new_users,"
            + " events, converting_users, new_converters, _version) VALUES (1, %d, 'conversion', '%s', %d, %d, %d, %d, %d, %d, 1)"
                .formatted(
                    last.variant(),
                    last.day(),
                    last.exposures() + 1,
                    last.users(),
                    last.newUsers(),
                    last.conversions(),
                    last.converters(),
                    last.newConverters()));
    text.getBuffer().setLength(0);
    Report different = new Report(new PrintWriter(text));
    new UdacityAnswer(data, warehouse).golden(different);
    different.end(Path.of("target"));
    assertThat(different.isGood()).isFalse();
    assertThat(text.toString())
        .containsPattern("368  367  WRONG")
        .contains("FAILED")
        .contains(
            "%s variant %d: exposures is %d, not %d"
                .formatted(last.day(), last.variant(), last.exposures() + 1, last.exposures()));
  }
}
