package io.experimentetl.maintenance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.RetentionConfig;
import io.experimentetl.maintenance.CleanupRequest.BelowPolicyException;
import io.experimentetl.maintenance.CleanupRequest.Part;
import io.experimentetl.operations.OperationsException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class CleanupRequestTest {
  private static final RetentionConfig POLICIES = RetentionConfig.defaults();
  private static final Duration NINETY = Duration.ofDays(90);

  @Test
  void everyPartIsCleanedUpByItsPolicy() {
    CleanupRequest all = CleanupRequest.of(POLICIES, true, Set.of(), Map.of());
    assertThat(all.ages())
        .containsEntry(Part.EVENTS, NINETY)
        .containsEntry(Part.ASSIGNMENTS, Duration.ofDays(365))
        .containsEntry(Part.OUTBOX, Duration.ofDays(30))
        .containsEntry(Part.EXPERIMENTS, Duration.ofDays(730))
        .containsKey(Part.CLICKHOUSE);
  }

  @ParameterizedTest
  @EnumSource(
      value = Part.class,
      names = {"EVENTS", "ASSIGNMENTS", "OUTBOX", "EXPERIMENTS"})
  void ageBelowThePolicyIsRefusedAndALongerOneTaken(Part part) {
    int policy = (int) CleanupRequest.policy(POLICIES, part).toDays();
    for (int days : new int[] {-1, 0, policy - 1}) {
      assertThatThrownBy(() -> CleanupRequest.of(POLICIES, true, Set.of(part), Map.of(part, days)))
          .isInstanceOf(BelowPolicyException.class)
          .hasMessageContaining("below the policy of " + part.text());
    }
    assertThat(CleanupRequest.of(POLICIES, false, Set.of(part), Map.of(part, policy + 7)).ages())
        .containsExactly(Map.entry(part, Duration.ofDays(policy + 7L)));
  }

  @Test
  void unknownPartIsNamed() {
    assertThatThrownBy(() -> Part.of("users"))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("users has no clean-up");
  }

  @Test
  void longerOneOfBothPoliciesHoldsForEvents() {
    Instant now = Instant.parse("2026-05-31T10:00:00Z");
    Instant byAge = Instant.parse("2026-03-02T10:00:00Z");
    assertThat(EventPolicy.cutoff(now, NINETY, NINETY, Optional.empty())).isEqualTo(byAge);
    // 4 months are the policy itself, in months; 1 is shorter.
    assertThat(EventPolicy.cutoff(now, NINETY, NINETY, Optional.of(4))).isEqualTo(byAge);
    assertThat(EventPolicy.cutoff(now, NINETY, NINETY, Optional.of(1))).isEqualTo(byAge);
    assertThat(EventPolicy.cutoff(now, NINETY, NINETY, Optional.of(12)))
        .isEqualTo(Instant.parse("2025-05-01T00:00:00Z"));
    // An age beyond both.
    assertThat(EventPolicy.cutoff(now, Duration.ofDays(1000), NINETY, Optional.of(12)))
        .isEqualTo(now.minus(Duration.ofDays(1000)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ReplacingMergeTree(_version) TTL timestamp + toIntervalDay(730) SETTINGS x = 1|730",
        "ReplacingMergeTree(_version) TTL timestamp + toIntervalYear(2) SETTINGS x = 1|730",
        "ReplacingMergeTree(_version) TTL if(day > '1900-01-02', day, toDate32(_committed_at)) + toIntervalYear(5)|1826",
        "ReplacingMergeTree(_version) TTL timestamp + toIntervalMonth(12)|365",
        "ReplacingMergeTree(_version) SETTINGS x = 1|",
      })
  void ttlOfATableIsReadInDays(String engine, Long days) {
    OptionalLong found = WarehouseRetention.actual(engine);
    assertThat(found).isEqualTo(days == null ? OptionalLong.empty() : OptionalLong.of(days));
  }
}
