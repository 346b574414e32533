package io.experimentetl.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.operations.ServerMetric;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * {@code docs/metrics.md} has every metric that the code registers, with its type and unit. The
 * integration test ExperimentEtlJobIT compares it with what a running job exposes.
 */
class MetricsPageTest {
  private static final Path MAIN = Path.of("src/main/java/io/experimentetl");

  /** A registration, whose name must be a literal so that this test sees it. */
  private static final Pattern REGISTERED =
      Pattern.compile("\\.(counter|gauge|meter|histogram)\\(\\s*(\"([^\"]*)\")?");

  /** A label that becomes a part of the name. */
  private static final Pattern LABEL = Pattern.compile("addGroup\\(\"([a-z]+)\", ");

  private record Registration(Path file, String kind, String name) {}

  private static List<Registration> registrations() throws IOException {
    List<Registration> found = new ArrayList<>();
    try (Stream<Path> files = Files.walk(MAIN)) {
      for (Path file : files.filter(name -> name.toString().endsWith(".java")).toList()) {
        String source = Files.readString(file);
        if (source.contains("org.apache.flink.metrics")
            || source.contains("getMetricGroup()")
            || source.contains("MetricScope")) {
          Matcher registered = REGISTERED.matcher(source);
          while (registered.find()) {
            found.add(new Registration(file, registered.group(1), registered.group(3)));
          }
        }
      }
    }
    return found;
  }

  @Test
  void pageHasEveryMetricThatTheCodeRegisters() throws IOException {
    List<Registration> registrations = registrations();
    assertThat(registrations)
        .as("metrics are registered with a literal name")
        .hasSizeGreaterThan(40)
        .allSatisfy(registration -> assertThat(registration.name()).isNotNull());
    Set<String> registered = new TreeSet<>();
    for (Registration registration : registrations) {
      registered.add(registration.name());
    }
    Set<String> documented = new TreeSet<>();
    Set<String> labels = labels();
    for (String name : MetricsPage.table("job").keySet()) {
      int label = name.indexOf('_');
      documented.add(
          label > 0 && labels.contains(name.substring(0, label))
              ? name.substring(label + 1)
              : name);
    }
    assertThat(documented).containsExactlyElementsOf(registered);
  }

  private static Set<String> labels() throws IOException {
    Set<String> labels = new TreeSet<>();
    try (Stream<Path> files = Files.walk(MAIN)) {
      files
          .filter(name -> name.toString().endsWith(".java"))
          .forEach(
              file -> {
                try {
                  Matcher label = LABEL.matcher(Files.readString(file));
                  while (label.find()) {
                    labels.add(label.group(1));
                  }
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              });
    }
    return labels;
  }

  @Test
  void pageHasEveryMetricOfTheServers() throws IOException {
    assertThat(MetricsPage.table("servers").keySet())
        .containsExactlyElementsOf(
            Stream.concat(
                    Arrays.stream(ServerMetric.values()).map(ServerMetric::text),
                    Stream.of("etl_serve_requests_total"))
                .toList());
  }

  @Test
  void namesFollowPrometheus() throws IOException {
    for (String block : List.of("job", "servers")) {
      for (Map.Entry<String, MetricsPage.Line> entry : MetricsPage.table(block).entrySet()) {
        String name = entry.getKey();
        MetricsPage.Line line = entry.getValue();
        assertThat(name).matches("[a-z]+(_[a-z]+)*");
        assertThat(line.type()).as(name).isIn("gauge", "counter");
        assertThat(line.type().equals("counter"))
            .as("%s is a %s", name, line.type())
            .isEqualTo(name.endsWith("_total"));
        String stem = name.replaceFirst("_total$", "");
        assertThat(stem.endsWith("_seconds"))
            .as("%s in %s", name, line.unit())
            .isEqualTo(line.unit().equals("seconds"));
        assertThat(stem.endsWith("_bytes"))
            .as("%s in %s", name, line.unit())
            .isEqualTo(line.unit().equals("bytes"));
        assertThat(line.reading()).as(name).isNotBlank();
      }
    }
  }
}
