package io.experimentetl.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The dashboards by themselves. ExperimentEtlJobIT runs their queries. */
class DashboardsTest {
  private static final Set<String> BUILT_IN =
      Set.of("$__rate_interval", "$__fromTime", "$__toTime");

  @ParameterizedTest
  @ValueSource(strings = {"pipeline", "experiments"})
  void panelsAreExplainedAndTheirVariablesDeclared(String name) throws IOException {
    JsonNode dashboard = Dashboards.read(Path.of("deploy/monitoring/dashboards/" + name + ".json"));
    Set<String> declared = new TreeSet<>();
    for (JsonNode variable : dashboard.at("/templating/list")) {
      declared.add(variable.get("name").asText());
    }
    Set<Integer> ids = new TreeSet<>();
    Set<String> places = new TreeSet<>();
    for (JsonNode panel : dashboard.get("panels")) {
      String title = panel.get("title").asText();
      assertThat(ids.add(panel.get("id").asInt())).as(title).isTrue();
      assertThat(places.add(panel.at("/gridPos/x") + "," + panel.at("/gridPos/y")))
          .as(title)
          .isTrue();
      if (!panel.get("type").asText().equals("row")) {
        assertThat(panel.get("description").asText()).as(title).isNotBlank();
        assertThat(panel.get("targets")).as(title).isNotEmpty();
        assertThat(panel.at("/datasource/uid").asText()).isEqualTo("${datasource}");
      }
    }
    for (List<String> queries : Dashboards.queries(dashboard).values()) {
      for (String query : queries) {
        Pattern.compile("\\$\\{?([a-zA-Z_]+)")
            .matcher(query)
            .results()
            .filter(used -> !BUILT_IN.contains(used.group()))
            .forEach(used -> assertThat(declared).as(query).contains(used.group(1)));
      }
    }
  }

  @Test
  void pipelineUsesOnlyDocumentedMetrics() throws IOException {
    JsonNode dashboard = Dashboards.read(Dashboards.PIPELINE);
    Set<String> documented = MetricsPage.documented();
    for (Map.Entry<String, List<String>> panel : Dashboards.queries(dashboard).entrySet()) {
      for (String query : panel.getValue()) {
        assertThat(documented).as(panel.getKey()).containsAll(MetricsPage.used(query));
        assertThat(MetricsPage.used(query)).as(panel.getKey()).isNotEmpty();
      }
    }
  }
}
