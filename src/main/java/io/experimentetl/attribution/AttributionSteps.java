package io.experimentetl.attribution;

/** What the changes of events, of assignments and of users have in common. */
record AttributionSteps(
    References references,
    GracePeriod grace,
    PendingFacts pending,
    DeletedFacts deleted,
    Rehydration rehydration,
    UserStatistics statistics,
    ProcessedRows rows,
    UserFindings findings,
    RowVersionGenerator versions) {}
