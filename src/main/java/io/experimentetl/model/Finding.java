package io.experimentetl.model;

/**
 * One inconsistency. Its identity is (code, subject): a finding with the same identity replaces it,
 * and {@code open = false} resolves it.
 *
 * @param experimentId 0: none
 * @param userId null: none
 * @param eventId null: none
 * @param detail one plain sentence for this case; never a row's payload
 * @param deadLetterSince commit time of the first change of the row that could not be delivered,
 *     microseconds since 1970 in UTC; null: the finding is not about an undelivered row
 * @param observedAt commit time of the change that caused it, microseconds since 1970 in UTC
 * @param lsn the LSN of that change; 0 in the snapshot
 * @param version the finding with the greatest version of an identity is current
 */
public record Finding(
    FindingCode code,
    Subject subject,
    boolean open,
    long experimentId,
    String userId,
    EventId eventId,
    String detail,
    Long deadLetterSince,
    long observedAt,
    long lsn,
    long version) {
  private static final int MAX_LABEL = 60;

  /** A value of a label in a detail: short, and without characters that a terminal acts on. */
  public static String quoted(String label) {
    String printable = label.replaceAll("[\\p{Cntrl}\\p{Cf}]", "\uFFFD");
    int end =
        printable.offsetByCodePoints(
            0, Math.min(MAX_LABEL, printable.codePointCount(0, printable.length())));
    return "'" + printable.substring(0, end) + (end < printable.length() ? "…'" : "'");
  }

  /** The same finding in another version. */
  public Finding withVersion(long other) {
    return new Finding(
        code,
        subject,
        open,
        experimentId,
        userId,
        eventId,
        detail,
        deadLetterSince,
        observedAt,
        lsn,
        other);
  }

  /** Starts a finding that reports an inconsistency. */
  public static Draft opened(FindingCode code, Subject subject) {
    return new Draft(code, subject, true);
  }

  /** Starts a finding that resolves an earlier one. */
  public static Draft resolved(FindingCode code, Subject subject) {
    return new Draft(code, subject, false);
  }

  /** Starts a finding that is open or resolved. */
  public static Draft of(FindingCode code, Subject subject, boolean open) {
    return new Draft(code, subject, open);
  }

  /**
   * Builds a finding. Without a detail the finding has the code's sentence. If the subject is a
   * user or an event, that user or event is filled in.
   */
  public static final class Draft {
    private final FindingCode code;
    private final Subject subject;
    private final boolean open;
    private long experimentId;
    private String userId;
    private EventId eventId;
    private String detail;
    private Long deadLetterSince;

    private Draft(FindingCode code, Subject subject, boolean open) {
      this.code = code;
      this.subject = subject;
      this.open = open;
      this.userId = subject.kind() == SubjectKind.USER ? subject.key() : null;
      this.eventId = subject.eventId();
      this.detail = code.sentence();
    }

    /** 0: none. */
    public Draft inExperiment(long id) {
      experimentId = id;
      return this;
    }

    /** Null: none. */
    public Draft aboutUser(String id) {
      userId = id;
      return this;
    }

    /** Null: none. */
    public Draft aboutEvent(EventId id) {
      eventId = id;
      return this;
    }

    /** One plain sentence for this case; never a row's payload. */
    public Draft detail(String sentence) {
      detail = sentence;
      return this;
    }

    /** Commit time of the first change that could not be delivered, microseconds since 1970. */
    public Draft deadLetterSince(long committedAt) {
      deadLetterSince = committedAt;
      return this;
    }

    /**
     * The finding.
     *
     * @param observedAt commit time of the change that caused it, microseconds since 1970 in UTC
     * @param lsn the LSN of that change; 0 in the snapshot
     */
    public Finding at(long observedAt, long lsn, long version) {
      return new Finding(
          code,
          subject,
          open,
          experimentId,
          userId,
          eventId,
          detail,
          deadLetterSince,
          observedAt,
          lsn,
          version);
    }

    /** The finding that the change caused. */
    public Finding at(Change change, long version) {
      return at(change.position().committedAt(), change.position().lsn(), version);
    }
  }
}
