/* Photos: chosen, dropped or pasted. */

import { openDialog, toast } from "./dialogs.js";
import { $ } from "./dom.js";
import { placeOfSending } from "./sending.js";
import { ask } from "./server.js";
import { context, endContext, setWriting } from "./writing.js";

const PHOTO_LIMIT = 10 * 1024 * 1024;

/** Offer photos one after the other, until one is cancelled. */
export async function offerPhotos(files) {
  const all = [...files];
  for (const [at, file] of all.entries()) {
    $("photo-title").textContent = all.length > 1 ? `Photo ${at + 1} of ${all.length}` : "Send a photo";
    if ((await offerPhoto(file)) === "cancelled") return;
  }
}

async function offerPhoto(file) {
  if (!/^image\/(jpeg|png|webp)$/.test(file.type)) return toast("Only JPEG, PNG and WebP photos can be sent.");
  if (file.size > PHOTO_LIMIT) return toast("This photo is too large: Telegram takes 10 MB at most.");
  if (!(await preview(file))) return toast("This photo cannot be read.");
  $("photo-caption").value = $("writing").value;
  const reply = context?.kind === "reply" ? context : null;
  if ((await openDialog($("photo-dialog"))) !== "ok") return "cancelled";
  await sendPhoto(file, $("photo-caption").value.trim(), reply);
}

async function sendPhoto(file, caption, reply) {
  const place = placeOfSending(reply);
  setWriting("");
  endContext();
  const photo = await base64(file);
  await ask("message", { ...place, photo, ...(caption ? { caption } : {}) });
  $("writing").focus();
}

async function preview(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, 760 / bitmap.width, 760 / bitmap.height);
    const canvas = $("photo-preview");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return true;
  } catch {
    return false;
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

const imagesIn = (transfer) =>
  [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));

export function onDrag(event) {
  const brings = [...(event.dataTransfer?.types ?? [])].includes("Files");
  if (!brings) return;
  event.preventDefault();
  $("drop").hidden = event.type === "dragleave" && !$("conversation").contains(event.relatedTarget);
}

export function onDrop(event) {
  $("drop").hidden = true;
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  offerPhotos(event.dataTransfer.files);
}

export function onPaste(event) {
  const images = imagesIn(event.clipboardData);
  if (!images.length || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  offerPhotos(images);
}
