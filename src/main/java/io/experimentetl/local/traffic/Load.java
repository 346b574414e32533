package io.experimentetl.local.traffic;

import java.time.Instant;
import java.util.List;

/**
 * The transactions to write.
 *
 * @param from no event happens before
 * @param until no event happens after
 * @param before written in one transaction before the lanes start
 * @param eventsPerSecond over all lanes; infinite: as fast as the database takes them
 */
record Load(
    Instant from, Instant until, List<Write> before, List<Lane> lanes, double eventsPerSecond) {}
