/** Beside steps 1 to 3: the findings, and the checks of rows as plain functions. */
package io.experimentetl.quality;
