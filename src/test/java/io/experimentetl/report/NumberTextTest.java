package io.experimentetl.report;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.report.NumberText.Unit;
import org.junit.jupiter.api.Test;

class NumberTextTest {
  @Test
  void intervalDeterminesTheNumberOfDigits() {
    assertThat(NumberText.decimals(0.0312, -0.001, 0.063, Unit.PERCENT)).isEqualTo(1);
    assertThat(NumberText.decimals(3.14159, 3.0, 3.3, Unit.PLAIN)).isEqualTo(2);
    assertThat(NumberText.decimals(12_345.6, 12_000.0, 12_700.0, Unit.PLAIN)).isZero();
  }

  @Test
  void valueWithoutIntervalHasAboutFourDigits() {
    assertThat(
            NumberText.level(
                4.69312, NumberText.decimals(4.69312, null, null, Unit.PLAIN), Unit.PLAIN))
        .isEqualTo("4.693");
    assertThat(NumberText.decimals(0.0, null, null, Unit.PLAIN)).isZero();
    assertThat(NumberText.decimals(null, null, null, Unit.PLAIN)).isZero();
  }

  @Test
  void changeHasASignAndAUnit() {
    assertThat(NumberText.change(0.031, 1, Unit.PERCENT)).isEqualTo("+3.1\u00a0%");
    assertThat(NumberText.change(-0.031, 1, Unit.POINTS)).isEqualTo("\u22123.1\u00a0pp");
    assertThat(NumberText.change(0.0001, 1, Unit.PERCENT)).isEqualTo("0.0\u00a0%");
    assertThat(NumberText.change(-0.0001, 1, Unit.PERCENT)).isEqualTo("0.0\u00a0%");
    assertThat(NumberText.level(1234.5, 1, Unit.PLAIN)).isEqualTo("1,234.5");
    assertThat(NumberText.change(null, 1, Unit.PLAIN)).isEqualTo("–");
  }

  @Test
  void smallPIsPrintedAsAnUpperBound() {
    assertThat(NumberText.p(0.00099)).isEqualTo("<\u00a00.001");
    assertThat(NumberText.p(0.0421)).isEqualTo("0.042");
    assertThat(NumberText.p(null)).isEqualTo("–");
    assertThat(NumberText.significant(0.0000001234)).isEqualTo("1.2e-7");
  }
}
