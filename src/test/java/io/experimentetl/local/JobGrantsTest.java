package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class JobGrantsTest {
  /** The platform's own grants are for all databases but the system's; the file's for one. */
  @Test
  void jobHasTheRightsOfAWriterAndNoOthers() throws Exception {
    List<String> writer =
        Files.readAllLines(Path.of("sql/clickhouse/optional/roles.sql")).stream()
            .filter(line -> line.startsWith("GRANT ") && line.contains("experiment_etl_writer"))
            .map(line -> line.replaceFirst(" TO .*", "").replaceFirst("ON \\*$", "ON *.*"))
            .toList();
    assertThat(ClickHouseServer.JOB_GRANTS)
        .filteredOn(grant -> !grant.startsWith("REVOKE"))
        .containsExactlyElementsOf(writer);
  }
}
