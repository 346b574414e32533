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
 * @param observedAt commit time of the change that showed it, microseconds since 1970 in UTC
 * @param lsn the LSN of that change; 0 in the snapshot
 * @param version of two findings with one identity the one with the greater version is current
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

  /** Begins a finding that says that something is wrong. */
  public static Draft opened(FindingCode code, Subject subject) {
    return new Draft(code, subject, true);
  }

  /** Begins a finding that says that it is wrong no longer. */
  public static Draft resolved(FindingCode code, Subject subject) {
    return new Draft(code, subject, false);
  }

  /** Begins a finding that is open or resolved. */
  public static Draft of(FindingCode code, Subject subject, boolean open) {
    return new Draft(code, subject, open);
  }

  /**
   * A finding in the making. Without a detail it says the code's sentence. The user or the event
   * that is the subject is filled in.
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
     * @param observedAt commit time of the change that showed it, microseconds since 1970 in UTC
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

    /** The finding, shown by the change. */
    public Finding at(Change change, long version) {
      return at(change.position().committedAt(), change.position().lsn(), version);
    }
  }
}
