// Numbers for people. null is unknown and shows as a dash, never as zero.

export const DASH = "—";
const plain = new Intl.NumberFormat("en");

export const count = (value) => (value === null || value === undefined ? DASH : plain.format(value));

export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let step = 0;
  for (; value >= 1000 && step < units.length - 1; step += 1) value /= 1000;
  return `${value >= 10 || step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

export function seconds(ms) {
  if (ms === null || ms === undefined) return DASH;
  return ms < 9950 ? `${(ms / 1000).toFixed(2)} s` : `${plain.format(Math.round(ms / 1000))} s`;
}

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return DASH;
  return perSecond >= 9.95 ? plain.format(Math.round(perSecond)) : perSecond.toFixed(1);
}

export const percent = (part) => `${part > 0 && part < 0.01 ? "<1" : Math.round(part * 100)} %`;
