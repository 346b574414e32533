package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class MetricConfigTest {
  private static final MetricConfig METRIC = MetricConfig.proportion("signup", "signup");

  @Test
  void metricIsForAllExperimentsUnlessItNamesSome() {
    assertThat(METRIC.isFor("checkout")).isTrue();
    MetricConfig named = METRIC.judgedIn(List.of("signup-form", "onboarding.*"), MetricRole.GOAL);
    assertThat(named.isFor("signup-form")).isTrue();
    assertThat(named.isFor("signup-form-2")).isFalse();
    assertThat(named.isFor("onboarding.v2")).isTrue();
    assertThat(named.isFor("onboarding-v2")).as("a dot is a dot").isFalse();
    assertThat(named.isFor("checkout")).isFalse();
  }

  @Test
  void nothingIsJudgedByADiagnosticMetric() {
    assertThat(METRIC.judgedIn(List.of(), MetricRole.DIAGNOSTIC).isFor("checkout")).isFalse();
    assertThat(METRIC.judgedIn(List.of(), MetricRole.GUARDRAIL).isFor("checkout")).isTrue();
  }

  @Test
  void judgementChangesNoFigure() {
    assertThat(METRIC.judgedIn(List.of("a"), MetricRole.DIAGNOSTIC).counting()).isEqualTo(METRIC);
  }
}
