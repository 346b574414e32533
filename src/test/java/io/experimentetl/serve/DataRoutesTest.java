package io.experimentetl.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.RetentionConfig;
import io.experimentetl.maintenance.CleanupRequest;
import io.experimentetl.maintenance.CleanupRequest.Part;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DataRoutesTest {
  private static final Route CLEANUP =
      new DataRoutes(null, Clock.systemUTC())
          .routes().stream()
              .filter(route -> route.path().endsWith("/cleanup"))
              .findFirst()
              .orElseThrow();

  private static CleanupRequest request(String body) {
    return DataRoutes.request(
        RetentionConfig.defaults(),
        Request.read(
            Principal.NOBODY,
            Map.of(),
            CLEANUP.fields(),
            null,
            body.getBytes(StandardCharsets.UTF_8)));
  }

  /** The example of the data-management plan. */
  @Test
  void bodyOfThePlanIsADryRunOfEventsAlone() {
    CleanupRequest request =
        request("{\"cleanup_events\": true, \"events_retention_days\": 90, \"dry_run\": true}");
    assertThat(request.dryRun()).isTrue();
    assertThat(request.ages()).containsExactly(Map.entry(Part.EVENTS, Duration.ofDays(90)));
  }

  @Test
  void everythingIsCleanedUpUnlessPartsAreChosen() {
    assertThat(request("").ages()).containsOnlyKeys(Part.values());
    assertThat(request("{\"cleanupOutbox\": true, \"cleanup_clickhouse\": true}").ages())
        .containsOnlyKeys(Part.OUTBOX, Part.CLICKHOUSE);
    assertThat(request("{\"dryRun\": false}").dryRun()).isFalse();
    assertThatThrownBy(() -> request("{\"cleanup_events\": false}"))
        .hasMessageContaining("Nothing is chosen");
  }

  @Test
  void ageBelowThePolicyIsRefused() {
    assertThatThrownBy(() -> request("{\"events_retention_days\": 89}"))
        .isInstanceOf(ProblemException.class)
        .hasMessageContaining("below the policy of events, which is 90 days")
        .extracting(e -> ((ProblemException) e).status())
        .isEqualTo(422);
  }
}
