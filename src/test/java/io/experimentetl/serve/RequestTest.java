package io.experimentetl.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestTest {
  private static final List<Field> FIELDS =
      List.of(
          Field.text("table", "a table"),
          Field.integer("retentionMonths", "months"),
          Field.bool("dryRun", "only shown"));

  private static Request read(String query, String body) {
    return Request.read(
        Principal.NOBODY, Map.of(), FIELDS, query, body.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void nothingIsChangedUnlessTheRequestSaysSo() {
    assertThat(read(null, "").isDryRun()).isTrue();
    assertThat(read("table=events", "{}").isDryRun()).isTrue();
    assertThat(read(null, "{\"dry_run\": false}").isDryRun()).isFalse();
    assertThat(read(null, "{\"dryRun\": false}").isDryRun()).isFalse();
    assertThat(read("dry_run=false", "").isDryRun()).isFalse();
    assertThat(read("dryRun=true", "").isDryRun()).isTrue();
  }

  @Test
  void parametersComeFromBodyAndQuery() {
    Request request = read("table=goal%5Fcompletions", "{\"retention_months\": 14}");
    assertThat(request.text("table")).contains("goal_completions");
    assertThat(request.integer("retentionMonths")).contains(14);
    assertThat(read(null, "").integer("retentionMonths")).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "''|{\"dryRun\": \"false\"}|dryRun is not true or false.",
        "''|{\"dryRun\": 0}|dryRun is not true or false.",
        "''|{\"dryRun\": null}|dryRun is not true or false.",
        "dryRun=no|''|dryRun is not true or false.",
        "dryRun|''|dryRun is not true or false.",
        "''|{\"dryRun\": false, \"dry_run\": true}|dryRun is given twice.",
        "dryRun=true|{\"dryRun\": true}|dryRun is given twice.",
        "''|{\"dryrun\": false}|dryrun is no parameter of this request; it takes table, retentionMonths, dryRun.",
        "''|{\"retentionMonths\": 1.5}|retentionMonths is not a whole number.",
        "''|{\"retentionMonths\": 99999999999}|retentionMonths is not a whole number.",
        "retentionMonths=9999999999|''|retentionMonths is not a whole number of 32 bits.",
        "''|{\"table\": 1}|table is not a string.",
        "''|[]|The body is not a JSON object.",
        "''|{\"table\": 'x'}|The body is not JSON (line 1, column",
        "''|{\"table\": \"a\", \"table\": \"b\"}|The body is not JSON",
        "''|{} {}|The body is not JSON",
        "table=%zz|''|encodes nothing",
      },
      quoteCharacter = '`')
  void wrongParameterIsNamed(String query, String body, String problem) {
    assertThatThrownBy(() -> read(query.replace("''", ""), body.replace("''", "")))
        .isInstanceOf(ProblemException.class)
        .hasMessageContaining(problem)
        .extracting(e -> ((ProblemException) e).status())
        .isEqualTo(400);
  }

  @Test
  void pathVariableIsDecoded() {
    Route route =
        Route.get("/e/{key}/results", "Results.", Schema.anyObject(), request -> Map.of());
    assertThat(route.match("/e/a%2Fb+c/results")).contains(Map.of("key", "a/b+c"));
    assertThat(route.match("/e/a/b/results")).isEmpty();
    assertThat(route.match("/e/a/result")).isEmpty();
    assertThat(route.variables()).containsExactly("key");
  }
}
