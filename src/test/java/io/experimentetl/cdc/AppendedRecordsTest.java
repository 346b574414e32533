package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class AppendedRecordsTest {
  private static final TopicPartition USERS = new TopicPartition("experiments_users", 0);
  private static final TopicPartition EVENTS = new TopicPartition("experiments_events", 1);

  private final AppendedRecords appended = new AppendedRecords(250);

  @Test
  void recordOfABacklogIsKnownSinceItsEndWasSeenAndALaterOneSinceNow() {
    appended.note(Map.of(USERS, 10L, EVENTS, 0L), 1_000);

    assertThat(appended.since(USERS, 9, 1_400)).isEqualTo(1_000);
    assertThat(appended.since(USERS, 10, 1_400)).isEqualTo(1_400);
    assertThat(appended.since(EVENTS, 0, 1_400)).isEqualTo(1_400);
  }

  @Test
  void longBacklogNeedsNoWaitWhileNewerEndsAreSeen() {
    appended.note(Map.of(USERS, 100L), 1_000);
    appended.note(Map.of(USERS, 120L), 1_100);
    assertThat(appended.since(USERS, 110, 1_100)).as("too close to be kept").isEqualTo(1_100);
    appended.note(Map.of(USERS, 140L), 1_300);

    assertThat(appended.since(USERS, 99, 1_300)).isEqualTo(1_000);
    assertThat(appended.since(USERS, 139, 1_310)).isEqualTo(1_300);
    appended.note(Map.of(USERS, 200L), 1_600);
    assertThat(appended.since(USERS, 139, 1_610)).isEqualTo(1_300);
  }

  @Test
  void discoveredPartitionIsKnownSinceItsDiscovery() {
    appended.note(Map.of(USERS, 100L), 1_000);
    appended.note(Map.of(EVENTS, 5L), 1_050);

    assertThat(appended.since(EVENTS, 4, 1_200)).isEqualTo(1_050);
    assertThat(appended.since(USERS, 4, 1_200)).isEqualTo(1_050);
  }
}
