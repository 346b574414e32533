package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class MetricConfigTest {
  private static final MetricConfig METRIC = MetricConfig.proportion("signup", "signup");

  private static MetricPurpose purpose(MetricRole role, String... experiments) {
    return new MetricPurpose(List.of(experiments), role, null, null);
  }

  @Test
  void metricIsForAllExperimentsUnlessItNamesSome() {
    assertThat(METRIC.purpose().isJudgedIn("checkout")).isTrue();
    MetricPurpose named = purpose(MetricRole.GOAL, "signup-form", "onboarding.*");
    assertThat(named.isJudgedIn("signup-form")).isTrue();
    assertThat(named.isJudgedIn("signup-form-2")).isFalse();
    assertThat(named.isJudgedIn("onboarding.v2")).isTrue();
    assertThat(named.isJudgedIn("onboarding-v2")).as("a dot is a dot").isFalse();
    assertThat(named.isJudgedIn("checkout")).isFalse();
  }

  @Test
  void nothingIsJudgedByADiagnosticMetric() {
    assertThat(purpose(MetricRole.DIAGNOSTIC).isJudgedIn("checkout")).isFalse();
    assertThat(purpose(MetricRole.GUARDRAIL).isJudgedIn("checkout")).isTrue();
  }

  @Test
  void judgementChangesNoFigure() {
    MetricPurpose other =
        new MetricPurpose(List.of("a"), MetricRole.DIAGNOSTIC, MetricDirection.DECREASE, 7);
    assertThat(METRIC.judgedFor(other).counting()).isEqualTo(METRIC);
  }
}
