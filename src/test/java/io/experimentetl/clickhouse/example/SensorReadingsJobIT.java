package io.experimentetl.clickhouse.example;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The example of {@code docs/clickhouse-sink.md}, with the tables that the page creates. */
class SensorReadingsJobIT {
  private static final Path PAGE = Path.of("docs", "clickhouse-sink.md");
  private static final Path JOB =
      Path.of("src/test/java/io/experimentetl/clickhouse/example/SensorReadingsJob.java");

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @TempDir private Path folder;

  @Test
  void jobOfThePageWritesEveryRowOnce() throws Exception {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("sensors");
    for (String statement : block("sql").split(";\n", -1)) {
      database.query(statement);
    }
    String passwordFile =
        Files.writeString(folder.resolve("password"), database.password()).toString();
    Configuration configuration = new Configuration();
    configuration.set(PipelineOptions.AUTO_GENERATE_UIDS, false);
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    configuration.setString(CheckpointingOptions.CHECKPOINTING_INTERVAL.key(), "200 ms");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(2, configuration);

    SensorReadingsJob.build(
        environment,
        new ClickHouseConnection(
            URI.create(database.url()),
            database.database(),
            database.user(),
            () -> Files.readString(Path.of(passwordFile))));
    environment.execute("sensor-readings");

    assertThat(
            database.query(
                "SELECT count(), uniqExact(measured_at), uniqExact(sensor), sum(celsius) FROM sensor_readings"))
        .isEqualTo("100000\t100000\t100\t1950000");
  }

  @Test
  void pageShowsTheJobAsItIs() throws IOException {
    String source = Files.readString(JOB);
    assertThat(block("java")).isEqualTo(source.substring(source.indexOf("/** Writes")));
  }

  /** The page's only block in a language. */
  private static String block(String language) throws IOException {
    String page = Files.readString(PAGE);
    int start = page.indexOf("```" + language + "\n") + language.length() + 4;
    return page.substring(start, page.indexOf("```", start));
  }
}
