package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.Finding;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;

/** Receives the results of {@link UserAttribution}. */
interface AttributionOutput {
  void event(EventProcessed row);

  void assignment(AssignmentProcessed row);

  void finding(Finding finding);

  /** Reports rows that were corrected: all of an experiment make one finding. */
  void changedRows(ChangedRows rows);

  /** A truncate has deleted the user's row. */
  void truncatedUser(TruncatedUser user);

  /**
   * Changes the figures of a day by a difference. Differences of one user come one after another.
   *
   * @param userKey the key of the user's state
   * @param dayEndsAt end of the key's day, milliseconds since 1970 in UTC, exclusive
   */
  void dailyDifference(String userKey, DailyKey key, DailySums difference, long dayEndsAt);

  /** Changes the health figures of a day by a difference. */
  void healthDifference(HealthKey key, HealthCounts difference);

  /** Evicted facts of the user are in state again; the id's rows that follow may change them. */
  void rehydrated(String userId);
}
