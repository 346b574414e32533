package io.experimentetl.local.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.traffic.Write.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The set is not part of the repository: EXPERIMENT_ETL_OPTIMIZELY names its folder. */
class OptimizelyDataTest {

  @Test
  void replayHasTheSetAsSourceTables() {
    Path folder =
        Path.of(
            System.getenv().getOrDefault("EXPERIMENT_ETL_OPTIMIZELY", "../shared/data/optimizely"));
    assumeTrue(
        Files.isDirectory(folder),
        "no folder " + folder + ": name the Optimizely set's by EXPERIMENT_ETL_OPTIMIZELY");
    OptimizelyData data = OptimizelyData.read(folder);
    assertThat(OptimizelyData.VARIANTS)
        .extracting(data::users)
        .containsExactly(3_304, 3_329, 3_367);
    assertThat(data.orphans()).isEqualTo(38_478);

    Map<Kind, Integer> written = new EnumMap<>(Kind.class);
    Map<Object, Instant> assignedAt = new HashMap<>();
    Map<List<Object>, String> visitorEvents = new HashMap<>();
    Set<Object> ids = new HashSet<>();
    long cents = 0;
    for (Lane lane : data.load(4).lanes()) {
      Set<Object> present = new HashSet<>();
      for (List<Write> next = lane.next(); !next.isEmpty(); next = lane.next()) {
        for (Write write : next) {
          written.merge(write.kind(), 1, Integer::sum);
          List<Object> row = write.parameters();
          switch (write.kind()) {
            case INSERT_USER -> present.add(row.get(0));
            case INSERT_ASSIGNMENT ->
                assignedAt.put(row.get(2), Instant.parse((String) row.get(7)));
            default -> {
              assertThat(ids.add(row.get(0))).isTrue();
              assertThat(present.contains(row.get(3))).as("the user comes first").isTrue();
              if (row.get(2).equals(OptimizelyData.EXPERIMENT) && !row.get(5).equals("exposure")) {
                visitorEvents.put(List.of(row.get(0), row.get(3)), (String) row.get(1));
                cents +=
                    row.get(7) == null
                        ? 0
                        : Long.parseLong(((String) row.get(7)).replaceAll("\\D", ""));
              }
            }
          }
        }
      }
    }
    assertThat(written)
        .containsOnly(
            Map.entry(Kind.INSERT_USER, 10_000),
            Map.entry(Kind.INSERT_ASSIGNMENT, 10_000),
            Map.entry(Kind.INSERT_EVENT, data.events()));
    assertThat(cents).isEqualTo(104_901_208);
    assertThat(visitorEvents).hasSize(38_648);
    assertThat(
            visitorEvents.entrySet().stream()
                .filter(
                    event ->
                        Instant.parse(event.getValue())
                            .isBefore(assignedAt.get(event.getKey().get(1))))
                .count())
        .isEqualTo(19_315);
  }

  @Test
  void missingFileIsReportedWithTheOptionForIt(@TempDir Path empty) {
    assertThatThrownBy(() -> OptimizelyData.read(empty))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("decisions.csv.gz is missing")
        .hasMessageContaining("--data");
  }
}
