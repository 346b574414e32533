package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** What of docker-compose.yml can be checked without Docker. */
class DockerComposeTest {
  private static Map<String, Object> file;
  private static Map<String, Map<String, Object>> services;

  @BeforeAll
  @SuppressWarnings("unchecked")
  static void read() throws IOException {
    try (Reader reader = Files.newBufferedReader(Path.of("docker-compose.yml"))) {
      file = new Yaml(new SafeConstructor(new LoaderOptions())).load(reader);
    }
    services = (Map<String, Map<String, Object>>) file.get("services");
  }

  @SuppressWarnings("unchecked")
  private static List<String> texts(Map<String, Object> service, String key) {
    return (List<String>) service.getOrDefault(key, List.of());
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> keys(Map<String, Object> service, String key) {
    return (Map<String, Object>) service.getOrDefault(key, Map.of());
  }

  @Test
  void volumesAreDeclaredAndFoldersExist() {
    Set<String> named = new TreeSet<>();
    services.forEach(
        (name, service) -> {
          for (String volume : texts(service, "volumes")) {
            String source = volume.substring(0, volume.indexOf(':'));
            if (!source.startsWith("./")) {
              named.add(source);
            } else if (!source.startsWith("./target/")) {
              assertThat(Path.of(source)).as(name).exists();
            }
          }
        });
    assertThat(named).isEqualTo(keys(file, "volumes").keySet());
  }

  @Test
  void kafkaWritesToItsVolume() {
    Map<String, Object> kafka = services.get("kafka");
    assertThat(texts(kafka, "volumes"))
        .containsExactly("kafka-data:" + keys(kafka, "environment").get("KAFKA_LOG_DIRS"));
  }

  @Test
  void portsAreThoseOfTheLoopback() {
    services.forEach(
        (name, service) ->
            assertThat(texts(service, "ports"))
                .as(name)
                .allSatisfy(port -> assertThat(port).startsWith("127.0.0.1:")));
  }

  @Test
  @SuppressWarnings("unchecked")
  void awaitedServicesExistAndCanBeAwaited() {
    services.forEach(
        (name, service) ->
            keys(service, "depends_on")
                .forEach(
                    (awaited, how) -> {
                      assertThat(services).as(name).containsKey(awaited);
                      if (((Map<String, String>) how).get("condition").equals("service_healthy")) {
                        assertThat(services.get(awaited)).as(awaited).containsKey("healthcheck");
                      }
                    }));
  }

  /** Docker Compose refuses to start with an empty password. */
  @Test
  void passwordsAreRequiredAndNotWritten() {
    services.forEach(
        (name, service) ->
            keys(service, "environment")
                .forEach(
                    (key, value) -> {
                      if (key.endsWith("PASSWORD")) {
                        assertThat(value.toString()).as(name).matches("\\$\\{[A-Z_]+:\\?.+}");
                      }
                    }));
  }
}
