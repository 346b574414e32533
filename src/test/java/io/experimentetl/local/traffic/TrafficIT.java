package io.experimentetl.local.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.local.traffic.Write.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class TrafficIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @Test
  void boundedPlanIsWrittenCompletelyAndCounted() throws Exception {
    PostgresEndpoint database = platformDatabase("traffic_bounded");
    try (Traffic traffic = Traffic.start(database, TrafficPlan.bounded(1, 20_000, Instant.now()))) {
      traffic.await();
      Map<Kind, Long> written = traffic.written();
      assertThat(written).doesNotContainValue(0L).containsEntry(Kind.INSERT_EVENT, 20_000L);
      assertThat(count(database, "SELECT count(*) FROM users"))
          .isEqualTo(written.get(Kind.INSERT_USER) - written.get(Kind.ERASE_USER));
      assertThat(count(database, "SELECT count(*) FROM outbox_events"))
          .isEqualTo(written.get(Kind.INSERT_OUTBOX));
      assertThat(count(database, "SELECT count(*) FROM events"))
          .isBetween(15_000L, 20_000L - written.get(Kind.DELETE_EVENT));
      assertThat(count(database, "SELECT count(*) FROM events_default")).isZero();
    }
  }

  @Test
  void plansWithDifferentSeedsShareADatabase() throws Exception {
    PostgresEndpoint database = platformDatabase("traffic_shared");
    for (int seed = 1; seed <= 2; seed++) {
      try (Traffic traffic =
          Traffic.start(database, TrafficPlan.bounded(seed, 1_000, Instant.now()))) {
        traffic.await();
      }
    }
    assertThat(count(database, "SELECT count(DISTINCT split_part(user_id, '-', 1)) FROM users"))
        .isEqualTo(2);
  }

  @Test
  void endlessPlanWritesAtItsRateUntilItIsClosed() throws Exception {
    PostgresEndpoint database = platformDatabase("traffic_endless");
    Traffic traffic = Traffic.start(database, TrafficPlan.continuous(1, 1_000, Instant.now()));
    try (traffic) {
      Awaitility.await().until(() -> traffic.events() >= 1_000);
      assertThat(traffic.isRunning()).isTrue();
    }
    assertThat(traffic.isRunning()).isFalse();
    assertThat(traffic.events()).isLessThan(5_000);
  }

  @Test
  void udacitySetIsReplayedCompletely() throws Exception {
    Path folder =
        Path.of(System.getenv().getOrDefault("EXPERIMENT_ETL_UDACITY", "../shared/data/udacity"));
    assumeTrue(
        Files.isDirectory(folder),
        "no folder " + folder + ": name the Udacity set's by EXPERIMENT_ETL_UDACITY");
    UdacityData data = UdacityData.read(folder);
    PostgresEndpoint database = platformDatabase("traffic_udacity");
    try (Traffic traffic = Traffic.replay(database, data, 4)) {
      traffic.await();
    }
    assertThat(count(database, "SELECT count(*) FROM users")).isEqualTo(290_584);
    assertThat(count(database, "SELECT count(*) FROM assignments")).isEqualTo(290_584);
    assertThat(count(database, "SELECT count(*) FROM events WHERE event_type = 'exposure'"))
        .isEqualTo(294_478);
    assertThat(
            count(
                database,
                "SELECT count(*) FROM events e JOIN assignments a USING (experiment_id, user_id)"
                    + " WHERE e.event_type = 'exposure' AND e.variant_id <> a.variant_id"))
        .isEqualTo(3_930);
    assertThat(count(database, "SELECT count(*) FROM events_default")).isZero();
  }

  @Test
  void databaseWithoutTheTablesIsRefusedWithTheRemedy() {
    PostgresEndpoint empty = PLATFORM.newPostgresDatabase("traffic_empty");
    assertThatThrownBy(() -> Traffic.start(empty, TrafficPlan.bounded(1, 1, Instant.now())))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("Apply sql/postgres first");
  }

  private static PostgresEndpoint platformDatabase(String name) throws Exception {
    PostgresEndpoint database = PLATFORM.newPostgresDatabase(name);
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      for (String file : List.of("001_platform.sql", "002_etl.sql", "004_partitions.sql")) {
        statement.execute(Files.readString(Path.of("sql/postgres", file)));
      }
    }
    return database;
  }

  private static long count(PostgresEndpoint database, String sql) throws Exception {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getLong(1);
    }
  }
}
