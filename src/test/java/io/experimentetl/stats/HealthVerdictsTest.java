package io.experimentetl.stats;

import static io.experimentetl.model.FindingCode.H_NO_EXPOSURES;
import static io.experimentetl.model.FindingCode.H_SRM;
import static io.experimentetl.model.FindingCode.R_NO_CONTROL;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.Subject;
import java.util.List;
import org.junit.jupiter.api.Test;

class HealthVerdictsTest {
  private static final long GRACE = 10;
  private static final HealthVerdict[] NOTHING = {};
  private static final Symptom AT_ONCE = Symptom.of(H_SRM, Subject.experiment(1), "");
  private static final Symptom PERHAPS_LATE =
      new Symptom(R_NO_CONTROL, Subject.experiment(1), "", Long.MIN_VALUE, true);

  private static HealthVerdicts of(HealthVerdict[] before, long now, Symptom... symptoms) {
    return HealthVerdicts.of(before, List.of(symptoms), now, GRACE);
  }

  @Test
  void symptomOpensOnce() {
    HealthVerdicts first = of(NOTHING, 5, AT_ONCE);
    assertThat(first.opened()).containsExactly(AT_ONCE);
    HealthVerdicts second = of(first.kept(), 6, AT_ONCE);
    assertThat(second.opened()).isEmpty();
    assertThat(second.closed()).isEmpty();
    assertThat(second.kept())
        .containsExactly(new HealthVerdict(H_SRM, Subject.experiment(1), "", 5, true));
  }

  @Test
  void openSymptomIsReportedAgainWithItsPresentFigures() {
    HealthVerdicts first = of(NOTHING, 5, AT_ONCE);
    Symptom graver = Symptom.of(H_SRM, Subject.experiment(1), "chi-square 40");
    HealthVerdicts second = of(first.kept(), 6, graver);
    assertThat(second.opened()).containsExactly(graver);
    assertThat(of(second.kept(), 7, graver).opened()).isEmpty();
    assertThat(second.kept()[0].since()).isEqualTo(5);
  }

  @Test
  void reportedSymptomClosesWhenItIsGone() {
    HealthVerdicts gone = of(of(NOTHING, 5, AT_ONCE).kept(), 6);
    assertThat(gone.closed())
        .containsExactly(new HealthVerdict(H_SRM, Subject.experiment(1), "", 5, true));
    assertThat(gone.kept()).isEmpty();
  }

  @Test
  void halfAChangeOpensAfterTheGrace() {
    HealthVerdicts first = of(NOTHING, 5, PERHAPS_LATE);
    assertThat(first.opened()).isEmpty();
    assertThat(first.nextAt()).isEqualTo(15);
    HealthVerdicts before = of(first.kept(), 14, PERHAPS_LATE);
    assertThat(before.opened()).isEmpty();
    assertThat(of(before.kept(), 15, PERHAPS_LATE).opened()).containsExactly(PERHAPS_LATE);
  }

  @Test
  void lateHalfOfAChangeIsNeverReported() {
    HealthVerdicts gone = of(of(NOTHING, 5, PERHAPS_LATE).kept(), 6);
    assertThat(gone.closed()).isEmpty();
    HealthVerdicts again = of(gone.kept(), 15, PERHAPS_LATE);
    assertThat(again.opened()).isEmpty();
    assertThat(again.nextAt()).isEqualTo(25);
  }

  @Test
  void symptomIsNotReportedBeforeItsTime() {
    Symptom later = new Symptom(H_NO_EXPOSURES, Subject.experiment(1), "", 100, false);
    HealthVerdicts first = of(NOTHING, 5, later);
    assertThat(first.opened()).isEmpty();
    assertThat(first.nextAt()).isEqualTo(100);
    assertThat(of(first.kept(), 100, later).opened()).containsExactly(later);
  }

  @Test
  void openFindingStaysOpenWhenItsTimeMoves() {
    Symptom due = new Symptom(H_NO_EXPOSURES, Subject.experiment(1), "", 100, false);
    HealthVerdict[] open = of(NOTHING, 100, due).kept();
    Symptom touched = new Symptom(H_NO_EXPOSURES, Subject.experiment(1), "", 1_000, false);
    HealthVerdicts next = of(open, 101, touched);
    assertThat(next.closed()).isEmpty();
    assertThat(next.opened()).isEmpty();
  }
}
