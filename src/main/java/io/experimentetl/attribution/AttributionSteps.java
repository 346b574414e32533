package io.experimentetl.attribution;

/** The collaborators that changes of events, assignments and users share. */
record AttributionSteps(
    ReferenceLookup references,
    GracePeriod grace,
    PendingFacts pending,
    DeletedFacts deleted,
    Rehydration rehydration,
    UserStatistics statistics,
    ProcessedRows rows,
    UserFindings findings,
    RowVersionGenerator versions,
    OpenTruncates truncates) {}
