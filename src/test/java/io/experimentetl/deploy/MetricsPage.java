package io.experimentetl.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The tables of {@code docs/metrics.md}. */
public final class MetricsPage {
  /** What the name of a metric of the job begins with in Prometheus. */
  public static final String JOB_PREFIX = "flink_taskmanager_job_task_operator_etl_";

  private static final Path PAGE = Path.of("docs/metrics.md");
  private static final int COLUMNS = 5;

  /** A line of a table. */
  public record Line(String name, String type, String unit, String labels, String reading) {}

  /** A series in an expression. */
  private static final Pattern SERIES = Pattern.compile("\\b(?:flink|etl|node)_[a-zA-Z_]+");

  private MetricsPage() {}

  /** The full names of all metrics on the page. */
  public static Set<String> documented() throws IOException {
    Set<String> names = new TreeSet<>();
    table("job").keySet().forEach(name -> names.add(JOB_PREFIX + name));
    for (String block : List.of("flink", "servers", "others")) {
      names.addAll(table(block).keySet());
    }
    return names;
  }

  /** The metrics that a PromQL expression uses. */
  public static Set<String> used(String promql) {
    return SERIES
        .matcher(promql)
        .results()
        .map(MatchResult::group)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /**
   * The lines of one table by name, in the page's order.
   *
   * @param block job, flink, servers or others
   */
  public static Map<String, Line> table(String block) throws IOException {
    String page = Files.readString(PAGE);
    String begin = "<!-- " + block + " -->\n";
    String end = "<!-- end of " + block + " -->";
    assertThat(page).contains(begin).contains(end);
    Map<String, Line> lines = new LinkedHashMap<>();
    page.substring(page.indexOf(begin) + begin.length(), page.indexOf(end))
        .lines()
        .skip(2)
        .forEach(
            row -> {
              String[] cells =
                  Arrays.stream(row.split("\\|", -1))
                      .map(String::strip)
                      .skip(1)
                      .toArray(String[]::new);
              assertThat(cells).as(row).hasSize(COLUMNS + 1);
              String name = cells[0].replace("`", "");
              assertThat(lines.put(name, new Line(name, cells[1], cells[2], cells[3], cells[4])))
                  .as("a second line of %s", name)
                  .isNull();
            });
    return lines;
  }
}
