package io.experimentetl.audit;

import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.SourceMapping;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The source mapping that a text of YAML describes. */
final class MappedTables {
  private MappedTables() {}

  /**
   * The mapping.
   *
   * @param entries of {@code source.tables}
   */
  static SourceMapping of(String entries) throws IOException {
    Path file = Files.createTempFile("mapping", ".yaml");
    try {
      Files.writeString(file, "source:\n  tables:\n" + entries.indent(4));
      return JobConfig.load(
              file,
              Map.of(
                  "EXPERIMENT_ETL_SOURCE_PASSWORD", "-", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-"))
          .source()
          .tables();
    } finally {
      Files.delete(file);
    }
  }
}
