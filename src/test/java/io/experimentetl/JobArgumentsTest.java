package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.JobArguments.Check;
import io.experimentetl.JobArguments.RunningState;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class JobArgumentsTest {
  private static JobArguments parse(String... words) {
    return JobArguments.parse(List.of(words));
  }

  @ParameterizedTest
  @EnumSource(Check.class)
  void checkComesBehindTheArgumentsOfTheStart(Check check) {
    List<String> words = new ArrayList<>(List.of("--config", "f.yaml", "--restate", "revenue"));
    words.addAll(check.arguments());

    JobArguments arguments = JobArguments.parse(words);

    assertThat(arguments.check()).contains(check);
    assertThat(arguments.restatedMetric()).contains("revenue");
    assertThat(arguments.action()).isEqualTo("--restate revenue");
  }

  @Test
  void stateOfTheRunningJobComesBehindTheCheckOfItsSuccessor() {
    RunningState state = new RunningState("file:/checkpoints/chk-7", List.of("route", "attribute"));
    List<String> words = new ArrayList<>(List.of("--config", "f.yaml", "--check", "successor"));
    words.addAll(state.arguments());

    assertThat(JobArguments.parse(words).runningState()).contains(state);
    assertThat(JobArguments.parse(words).check()).contains(Check.SUCCESSOR);
  }

  @Test
  void startWithoutCheckIsSubmitted() {
    assertThat(parse("--config", "f.yaml", "--resync").check()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--config",
        "f.yaml --config",
        "--config f.yaml --check",
        "--config f.yaml --check everything",
        "--check fresh --config f.yaml",
        "--config f.yaml --resync --restate m",
        "--config f.yaml --state chk-7 route",
        "--config f.yaml --check fresh --state chk-7 route"
      })
  void otherArgumentsAreRefusedWithTheUsage(String words) {
    assertThatThrownBy(() -> parse(words.split(" ")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("Usage: experiment-etl.jar --config FILE");
  }
}
