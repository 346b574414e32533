package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;

/**
 * A 64-bit hash of an event row without its key. The upper 40 bits cover the event itself (type,
 * variant, properties), the lower 24 bits the rest. Two rows of one id are a repetition if their
 * upper bits are equal, and one row delivered twice if all bits are equal. FNV-1a over UTF-16 code
 * units, with a final mix.
 */
final class EventContent {
  private static final long OFFSET = 0xcbf29ce484222325L;
  private static final long PRIME = 0x100000001b3L;
  private static final int REST_BITS = 24;

  private EventContent() {}

  static long of(EventRow event) {
    long eventItself =
        add(add(add(OFFSET, event.eventType()), event.variantId()), event.properties());
    // All other columns except the key.
    long rest = add(OFFSET, event.assignmentAt());
    rest = add(add(add(rest, event.sessionId()), event.requestId()), event.deviceId());
    rest = add(rest, event.fact());
    return mix(eventItself) << REST_BITS | mix(rest) >>> (Long.SIZE - REST_BITS);
  }

  /** Whether two rows of one id are the same event. */
  static boolean isRepetition(long content, long other) {
    return content >>> REST_BITS == other >>> REST_BITS;
  }

  /** Hash of an event with its key. */
  static long ofRow(long idHigh, long idLow, long occurredAt, long content) {
    return mix(mix(mix(mix(idHigh) + idLow) + occurredAt) + content);
  }

  /** Hash of an assignment, over all columns. */
  static long ofRow(AssignmentRow row) {
    long hash = mix(mix(mix(row.id()) + row.variantId()) + row.version());
    hash = mix(mix(mix(hash + row.assignedAt()) + row.createdAt()) + row.updatedAt());
    return mix(add(add(add(hash, row.source()), row.context()), row.enrolledAt()));
  }

  private static long add(long hash, String text) {
    long h = (hash ^ (text == null ? 0xffff : 1)) * PRIME;
    if (text != null) {
      for (int i = 0; i < text.length(); i++) {
        h = (h ^ text.charAt(i)) * PRIME;
      }
    }
    return h;
  }

  private static long add(long hash, Long number) {
    return (hash ^ (number == null ? Long.MIN_VALUE : number)) * PRIME;
  }

  /** Spreads every bit over all (the finalizer of SplitMix64, Steele et al. 2014). */
  private static long mix(long hash) {
    long h = (hash ^ hash >>> 30) * 0xbf58476d1ce4e5b9L;
    h = (h ^ h >>> 27) * 0x94d049bb133111ebL;
    return h ^ h >>> 31;
  }
}
