package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.deploy.DeploymentFiles;
import io.experimentetl.deploy.MetricsPage;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Severity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** deploy/monitoring/rules.yaml by Prometheus' own promtool, and against the documentation. */
class AlertRulesTest {
  private static final Path RULES = Path.of("deploy/monitoring/rules.yaml");
  private static final Path RUNBOOK = Path.of("docs/alerts.md");
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String JOB = MetricsPage.JOB_PREFIX;
  private static final String ABSENT = "_x200";

  /** Series of a job and of servers in good order: 200 minutes, a value each minute. */
  private static final Map<String, String> HEALTHY = new LinkedHashMap<>();

  static {
    HEALTHY.put("etl_up{server=\"postgres\"}", "1x200");
    HEALTHY.put("etl_up{server=\"clickhouse\"}", "1x200");
    HEALTHY.put("etl_up{server=\"flink\"}", "1x200");
    HEALTHY.put("etl_job_running", "1x200");
    HEALTHY.put("etl_checkpoint_age_seconds", "5x200");
    HEALTHY.put("etl_slot_active{slot=\"experiment_etl\"}", "1x200");
    HEALTHY.put("etl_slot_wal_status{slot=\"experiment_etl\"}", "1x200");
    HEALTHY.put("etl_slot_retained_bytes{slot=\"experiment_etl\"}", "4900000000x200");
    HEALTHY.put("etl_visible_lag_seconds", "295x200");
    HEALTHY.put("etl_dead_letters", "0x200");
    HEALTHY.put("etl_audit_age_seconds", "600000+60x200");
    HEALTHY.put("etl_audit_differences", "0x200");
    HEALTHY.put("etl_partitions_missing{table=\"events\"}", "0x200");
    HEALTHY.put("etl_schedule_succeeded{task=\"daily\"}", "1x200");
    HEALTHY.put("etl_schedule_overdue_seconds{task=\"daily\"}", "3500x200");
    HEALTHY.put("etl_clickhouse_disk_free_bytes{disk=\"default\"}", "21x200");
    HEALTHY.put("etl_clickhouse_disk_total_bytes{disk=\"default\"}", "100x200");
    HEALTHY.put("etl_clickhouse_longest_query_seconds", "29x200");
    HEALTHY.put("etl_clickhouse_slow_queries", "0x200");
    HEALTHY.put("etl_findings_open{severity=\"WARNING\",code=\"R-NO-CONTROL\"}", "3x200");
    HEALTHY.put("flink_jobmanager_job_runningTime{job_name=\"e\"}", "1000+60000x200");
    HEALTHY.put("flink_jobmanager_job_numRestarts{job_name=\"e\"}", "2x200");
    HEALTHY.put("flink_jobmanager_job_numberOfCompletedCheckpoints{job_name=\"e\"}", "7+12x200");
    HEALTHY.put(JOB + "commit_lag_seconds{job_name=\"e\"}", "1x200");
    HEALTHY.put(JOB + "visible_lag_seconds{job_name=\"e\"}", "295x200");
    HEALTHY.put(JOB + "slot_retained_bytes{job_name=\"e\"}", "9e9x200");
    HEALTHY.put(JOB + "slot_wal_status{job_name=\"e\"}", "1x200");
    HEALTHY.put(JOB + "dead_letters{job_name=\"e\"}", "1x200");
    HEALTHY.put(JOB + "code_findings_total{code=\"S-UNPARSEABLE\"}", "4x200");
    HEALTHY.put(
        "node_filesystem_avail_bytes{mountpoint=\"/\",fstype=\"ext4\",instance=\"db\"}", "21x200");
    HEALTHY.put(
        "node_filesystem_size_bytes{mountpoint=\"/\",fstype=\"ext4\",instance=\"db\"}", "100x200");
  }

  /**
   * What promtool is to find.
   *
   * @param series that differ from those in good order
   * @param firing the alerts that fire, by minute
   */
  private record Scenario(
      String name, Map<String, String> series, Map<Integer, Set<String>> firing) {}

  private static Scenario scenario(
      String name, Map<String, String> series, Map<Integer, Set<String>> firing) {
    return new Scenario(name, series, firing);
  }

  /** An alert that fires from some minute on, and not one minute earlier. */
  private static Scenario single(String alert, int minute, String series, String values) {
    Map<Integer, Set<String>> firing = new TreeMap<>();
    if (minute > 0) {
      firing.put(minute - 1, Set.of());
    }
    firing.put(minute, Set.of(alert));
    return scenario(alert + " by " + series, Map.of(series, values), firing);
  }

  /** Long because it is the table of all scenarios. */
  private static List<Scenario> scenarios() {
    String slot = "{slot=\"experiment_etl\"}";
    String ofJob = "{job_name=\"e\"}";
    return List.of(
        scenario("good order", Map.of(), Map.of(1, Set.of(), 60, Set.of(), 150, Set.of())),
        single("EtlJobFailed", 12, "etl_job_running", "1x9 0x100"),
        scenario(
            "the whole cluster is away and serve does not run",
            dead("etl_", "flink_"),
            Map.of(
                1,
                Set.of(),
                2,
                Set.of("EtlJobFailed", "EtlServeDown"),
                5,
                Set.of("EtlJobFailed", "EtlServeDown", "EtlMetricsMissing"))),
        single("EtlRestarts", 10, "flink_jobmanager_job_numRestarts" + ofJob, "2x9 3x100"),
        scenario(
            "a restart is forgotten after a quarter of an hour",
            Map.of("flink_jobmanager_job_numRestarts" + ofJob, "2x9 3x100"),
            Map.of(20, Set.of("EtlRestarts"), 27, Set.of())),
        single("EtlNoCheckpoint", 11, "etl_checkpoint_age_seconds", "5x9 301x100"),
        single(
            "EtlNoCheckpoint",
            16,
            "flink_jobmanager_job_numberOfCompletedCheckpoints" + ofJob,
            "7+12x10 127x100"),
        single("EtlLag", 11, "etl_visible_lag_seconds", "5x9 301x100"),
        single("EtlLag", 11, JOB + "visible_lag_seconds" + ofJob, "5x9 301x100"),
        single("EtlSlotBytes", 15, "etl_slot_retained_bytes" + slot, "5x9 5.1e9x100"),
        single("EtlSlotWalStatus", 10, "etl_slot_wal_status" + slot, "1x9 2x100"),
        scenario(
            "without serve the job says it",
            with(dead("etl_"), JOB + "slot_wal_status" + ofJob, "3x100"),
            Map.of(
                5, Set.of("EtlSlotWalStatus", "EtlSlotBytes", "EtlServeDown", "EtlDeadLetters"))),
        scenario(
            "the slot is gone",
            dead("etl_slot_"),
            Map.of(
                1, Set.of(),
                2, Set.of("EtlSlotMissing"),
                5, Set.of("EtlSlotMissing", "EtlSlotBytes"))),
        single("EtlSlotNotRead", 25, "etl_slot_active" + slot, "1x9 0x100"),
        single("EtlStorage", 15, "etl_clickhouse_disk_free_bytes{disk=\"default\"}", "21x9 19x100"),
        single(
            "EtlStorage",
            15,
            "node_filesystem_avail_bytes{mountpoint=\"/\",fstype=\"ext4\",instance=\"db\"}",
            "21x9 19x100"),
        single("EtlSlowQuery", 10, "etl_clickhouse_longest_query_seconds", "29x9 31x100"),
        single("EtlSlowQuery", 10, "etl_clickhouse_slow_queries", "0x9 1x100"),
        single("EtlDataInconsistency", 10, "etl_audit_differences", "0x9 2x100"),
        single(
            "EtlErrorFindings",
            10,
            JOB + "code_findings_total{code=\"S-UNPARSEABLE\"}",
            "4x9 5x100"),
        scenario(
            "an open finding of severity ERROR",
            Map.of("etl_findings_open{severity=\"ERROR\",code=\"H-SRM\"}", "1x9 _x100"),
            Map.of(5, Set.of("EtlErrorFindings"), 30, Set.of())),
        scenario(
            "warnings and information are no errors",
            Map.of(JOB + "code_findings_total{code=\"T-LATE\"}", "0+10x100"),
            Map.of(50, Set.of())),
        single("EtlDeadLetters", 10, "etl_dead_letters", "0x9 1x100"),
        single("EtlAuditOverdue", 70, "etl_audit_age_seconds", "5x9 691201x190"),
        scenario(
            "there was never an audit",
            dead("etl_audit_"),
            Map.of(59, Set.of(), 60, Set.of("EtlAuditOverdue"))),
        single(
            "EtlPartitionsMissing", 190, "etl_partitions_missing{table=\"events\"}", "0x9 1x190"),
        single("EtlScheduleFailed", 10, "etl_schedule_succeeded{task=\"daily\"}", "1x9 0x100"),
        single(
            "EtlScheduleFailed",
            10,
            "etl_schedule_overdue_seconds{task=\"daily\"}",
            "0x9 3601x100"),
        single("EtlServerDown", 12, "etl_up{server=\"clickhouse\"}", "1x9 0x100"));
  }

  /** The series whose names begin so are absent. */
  private static Map<String, String> dead(String... prefixes) {
    Map<String, String> dead = new LinkedHashMap<>();
    for (String series : HEALTHY.keySet()) {
      if (Arrays.stream(prefixes).anyMatch(series::startsWith)) {
        dead.put(series, ABSENT);
      }
    }
    return dead;
  }

  private static Map<String, String> with(Map<String, String> series, String name, String values) {
    series.put(name, values);
    return series;
  }

  private static List<JsonNode> alerts() throws IOException {
    return DeploymentFiles.yaml(RULES).get(0).findParents("alert");
  }

  @Test
  void promtoolFindsEachAlertWhereItBelongs(@TempDir Path folder) throws Exception {
    ObjectNode file = JSON.createObjectNode();
    file.putArray("rule_files").add(RULES.toAbsolutePath().toString());
    file.put("evaluation_interval", "1m");
    ArrayNode tests = file.putArray("tests");
    for (Scenario scenario : scenarios()) {
      ObjectNode test = tests.addObject().put("name", scenario.name()).put("interval", "1m");
      Map<String, String> all = new LinkedHashMap<>(HEALTHY);
      all.putAll(scenario.series());
      ArrayNode input = test.putArray("input_series");
      all.forEach(
          (series, values) -> input.addObject().put("series", series).put("values", values));
      ArrayNode expected = test.putArray("promql_expr_test");
      scenario
          .firing()
          .forEach(
              (minute, alerts) -> {
                ObjectNode expectation =
                    expected
                        .addObject()
                        .put("expr", "group by (alertname) (ALERTS{alertstate=\"firing\"})")
                        .put("eval_time", minute + "m");
                ArrayNode samples = expectation.putArray("exp_samples");
                alerts.stream()
                    .sorted()
                    .forEach(
                        alert ->
                            samples
                                .addObject()
                                .put("labels", "{alertname=\"" + alert + "\"}")
                                .put("value", 1));
              });
    }
    // JSON is YAML.
    Path written = folder.resolve("rules-test.yaml");
    JSON.writerWithDefaultPrettyPrinter().writeValue(written.toFile(), file);
    assertThat(promtool("test", "rules", written.toString())).contains("SUCCESS");
    assertThat(promtool("check", "rules", RULES.toString())).contains("SUCCESS");
    Set<String> fired = new TreeSet<>();
    for (Scenario scenario : scenarios()) {
      scenario.firing().values().forEach(fired::addAll);
    }
    Set<String> declared = new TreeSet<>();
    for (JsonNode alert : alerts()) {
      declared.add(alert.get("alert").asText());
    }
    assertThat(fired).as("every alert fires in a scenario").isEqualTo(declared);
  }

  private static String promtool(String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(PrometheusServer.binary("promtool"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).as(output).isZero();
    return output;
  }

  @Test
  void everyAlertHasItsSectionInTheRunbook() throws IOException {
    Map<String, String> sections = new LinkedHashMap<>();
    for (String section : Files.readString(RUNBOOK).split("(?m)^## ", -1)) {
      String[] parts = section.split("\n", 2);
      sections.put(parts[0].strip(), parts[1]);
    }
    for (JsonNode alert : alerts()) {
      String name = alert.get("alert").asText();
      assertThat(alert.at("/labels/severity").asText()).as(name).isIn("critical", "warning");
      assertThat(alert.at("/annotations/summary").asText()).as(name).endsWith(".");
      assertThat(alert.at("/annotations/runbook").asText())
          .isEqualTo(RUNBOOK + "#" + name.toLowerCase(Locale.ROOT));
      assertThat(sections).containsKey(name);
      assertThat(sections.remove(name))
          .as(name)
          .contains("- **Cause**: ", "- **How to see it**: ", "- **What to do**: ");
    }
    assertThat(sections.keySet()).as("sections without an alert").hasSize(1);
  }

  @Test
  void rulesUseOnlyDocumentedMetrics() throws IOException {
    for (JsonNode alert : alerts()) {
      assertThat(MetricsPage.documented())
          .containsAll(MetricsPage.used(alert.get("expr").asText()));
    }
  }

  @Test
  void errorFindingsAreThoseOfSeverityError() throws IOException {
    assertThat(Files.readString(RULES))
        .contains(
            Arrays.stream(FindingCode.values())
                .filter(code -> code.severity() == Severity.ERROR)
                .map(FindingCode::code)
                .sorted()
                .collect(Collectors.joining("|", "{code=~\"", "\"}")));
  }
}
