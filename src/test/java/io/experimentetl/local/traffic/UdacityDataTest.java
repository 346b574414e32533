package io.experimentetl.local.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.traffic.Write.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The set is not part of the repository: EXPERIMENT_ETL_UDACITY names its folder. */
class UdacityDataTest {

  @Test
  void replayHasTheSetAsSourceTables() {
    Path folder =
        Path.of(System.getenv().getOrDefault("EXPERIMENT_ETL_UDACITY", "../shared/data/udacity"));
    assumeTrue(
        Files.isDirectory(folder),
        "no folder " + folder + ": name the Udacity set's by EXPERIMENT_ETL_UDACITY");
    UdacityData data = UdacityData.read(folder);
    assertThat(data.exposures()).isEqualTo(294_478);
    assertThat(data.mismatchedExposures()).isEqualTo(3_930);
    assertThat(data.crossoverUsers()).isEqualTo(2_964);
    assertThat(data.golden()).hasSize(46);

    Map<Kind, Integer> written = new EnumMap<>(Kind.class);
    Map<Object, Integer> assigned = new HashMap<>();
    Set<Object> ids = new HashSet<>();
    for (Lane lane : data.load(4).lanes()) {
      Set<Object> present = new HashSet<>();
      for (List<Write> next = lane.next(); !next.isEmpty(); next = lane.next()) {
        for (Write write : next) {
          written.merge(write.kind(), 1, Integer::sum);
          switch (write.kind()) {
            case INSERT_USER -> present.add(write.parameters().get(0));
            case INSERT_ASSIGNMENT -> assigned.merge(write.parameters().get(3), 1, Integer::sum);
            default -> {
              assertThat(ids.add(write.parameters().get(0))).isTrue();
              if (!present.contains(write.parameters().get(3))) {
                throw new AssertionError(write + " comes before its user");
              }
            }
          }
        }
      }
    }
    assertThat(written)
        .containsOnly(
            Map.entry(Kind.INSERT_USER, 290_584),
            Map.entry(Kind.INSERT_ASSIGNMENT, 290_584),
            Map.entry(Kind.INSERT_EVENT, data.events()));
    assertThat(assigned)
        .containsOnly(
            Map.entry(UdacityData.CONTROL, 145_294), Map.entry(UdacityData.TREATMENT, 145_290));
  }

  @Test
  void missingFileIsReportedWithTheOptionForIt(@TempDir Path empty) {
    assertThatThrownBy(() -> UdacityData.read(empty))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("ab_data.csv.zip is missing")
        .hasMessageContaining("--data");
  }
}
