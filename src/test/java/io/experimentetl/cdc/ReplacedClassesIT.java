package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.JarFile;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Our class replaces the driver's, by class path order alone. */
class ReplacedClassesIT {

  private static final Path SHADED = Path.of("target", "experiment-etl.jar");

  @ParameterizedTest
  @ValueSource(strings = "org.postgresql.core.v3.replication.V3PGReplicationStream")
  void oursIsLoadedAndShaded(String name) throws Exception {
    byte[] ours =
        Files.readAllBytes(Path.of("target", "classes", name.replace('.', '/') + ".class"));
    assertThat(bytes(Class.forName(name).getResourceAsStream(simple(name)))).isEqualTo(ours);
    assumeThat(SHADED).exists();
    assertThat(inShadedJar(name)).isEqualTo(ours);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "io.debezium.connector.postgresql.PostgresStreamingChangeEventSource",
        "io.debezium.connector.postgresql.connection.Lsn",
        "io.debezium.connector.postgresql.connection.PostgresConnection",
        "io.debezium.connector.postgresql.connection.PostgresReplicationConnection"
      })
  void connectorsCopyWinsOverDebeziums(String name) throws Exception {
    Class<?> loaded = Class.forName(name);
    assertThat(loaded.getProtectionDomain().getCodeSource().getLocation().getPath())
        .contains("flink-connector-postgres-cdc");
    assumeThat(SHADED).exists();
    assertThat(inShadedJar(name)).isEqualTo(bytes(loaded.getResourceAsStream(simple(name))));
  }

  private static String simple(String name) {
    return name.substring(name.lastIndexOf('.') + 1) + ".class";
  }

  private static byte[] inShadedJar(String name) throws IOException {
    try (JarFile jar = new JarFile(SHADED.toFile())) {
      return bytes(jar.getInputStream(jar.getEntry(name.replace('.', '/') + ".class")));
    }
  }

  private static byte[] bytes(InputStream stream) throws IOException {
    try (stream) {
      return stream.readAllBytes();
    }
  }
}
