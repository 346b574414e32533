package io.experimentetl.stats;

import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import java.util.ArrayList;
import java.util.List;

/**
 * Compares an experiment's symptoms with those before: which ones open and which ones close. Times
 * are commit times, microseconds since 1970 in UTC, so that a restart decides alike.
 *
 * @param kept the present symptoms, reported or not
 * @param opened symptoms to report now: an open one is reported again with its present figures
 * @param closed reported symptoms that are gone
 * @param nextAt when a pending symptom is due, if nothing changes; Long.MAX_VALUE: never
 */
record HealthVerdicts(
    HealthVerdict[] kept, List<Symptom> opened, List<HealthVerdict> closed, long nextAt) {

  static HealthVerdicts of(
      HealthVerdict[] before, List<Symptom> symptoms, long now, long graceMicros) {
    List<HealthVerdict> kept = new ArrayList<>();
    List<Symptom> opened = new ArrayList<>();
    long nextAt = Long.MAX_VALUE;
    for (Symptom symptom : symptoms) {
      HealthVerdict old = find(before, symptom.code(), symptom.subject());
      long since = old == null ? now : old.since();
      long dueAt = symptom.mayBeLate() ? since + graceMicros : since;
      dueAt = Math.max(dueAt, symptom.notBefore());
      boolean wasOpen = old != null && old.open();
      boolean open = wasOpen || dueAt <= now;
      if (open && !(wasOpen && symptom.detail().equals(old.detail()))) {
        opened.add(symptom);
      } else if (!open) {
        nextAt = Math.min(nextAt, dueAt);
      }
      kept.add(new HealthVerdict(symptom.code(), symptom.subject(), symptom.detail(), since, open));
    }
    List<HealthVerdict> closed = new ArrayList<>();
    for (HealthVerdict old : before) {
      if (old.open() && symptoms.stream().noneMatch(s -> is(old, s.code(), s.subject()))) {
        closed.add(old);
      }
    }
    return new HealthVerdicts(kept.toArray(HealthVerdict[]::new), opened, closed, nextAt);
  }

  private static HealthVerdict find(HealthVerdict[] verdicts, FindingCode code, Subject subject) {
    for (HealthVerdict verdict : verdicts) {
      if (is(verdict, code, subject)) {
        return verdict;
      }
    }
    return null;
  }

  private static boolean is(HealthVerdict verdict, FindingCode code, Subject subject) {
    return verdict.code() == code && verdict.subject().equals(subject);
  }
}
